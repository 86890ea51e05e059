import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'

const LOWEST = 10_000
/** Where systems take the ports from that nobody asked for by number, if they do not tell. */
const USUAL_FIRST_EPHEMERAL = 32_768
const MAX_TRIES = 200

/**
 * A free port that stays free while nobody listens on it: below those that the system gives to
 * connections and to whoever listens on any port. For servers that are started later, or again.
 */
export async function lastingPort(): Promise<number> {
  const range = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').catch(() => '')
  const first = Number.parseInt(range, 10) || USUAL_FIRST_EPHEMERAL
  const count = Math.max(first - LOWEST, 1)
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const port = LOWEST + Math.floor(Math.random() * count)
    if (await isFree(port)) return port
  }
  throw new Error('there is no free port')
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}
