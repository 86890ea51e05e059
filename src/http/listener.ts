import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { Failure } from '../domain/failure.ts'

/** How long what is in flight may take once a listener closes; connections that idle are cut then. */
const CLOSE_GRACE_MS = 5_000

/**
 * Opens a listener. Throws `invalid` that names the variables when the address cannot be taken.
 *
 * @param variables where the address comes from, for the message
 */
export async function openListener(
  app: FastifyInstance,
  address: { readonly host: string; readonly port: number },
  variables: string,
): Promise<void> {
  try {
    await app.listen({ host: address.host, port: address.port })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    const where = `${address.host}:${address.port}`
    throw new Failure('invalid', `cannot listen on ${where} (${code}): see ${variables}`)
  }
}

/** Node waits for every connection, also for one that never sends a byte: this does not. */
export async function closeListener(app: FastifyInstance): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), CLOSE_GRACE_MS)
  try {
    await app.close()
  } finally {
    clearTimeout(timer)
  }
}

/** Base URL of an open listener. */
export function urlOf(app: FastifyInstance, protocol: 'http' | 'https' = 'http'): string {
  const address: AddressInfo | string | null = app.server.address()
  if (address === null || typeof address === 'string') throw new Error('the service is not started')
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return `${protocol}://${host}:${address.port}`
}
