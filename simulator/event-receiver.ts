import { createHmac, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

/** An event is far smaller; who sends more is cut off. */
const MAX_BODY_BYTES = 64 * 1024
/** How far a message's time may be off: an old one that is sent again by others is refused. */
const TOLERANCE_SECONDS = 5 * 60

type EventReceiverOptions = {
  /** `whsec_…`: a message that is signed with one of them is genuine. */
  readonly secrets: () => readonly string[]
  /** Told of each genuine event, a line. */
  readonly print: (line: string) => void
}

type EventReceiver = AsyncDisposable & {
  /** Any path below it will do, and is told with the event. */
  readonly url: string
}

/**
 * Somebody who wants to know: takes events by POST after the Standard Webhooks convention, answers
 * 204 to those whose signature is right and 401 to all others.
 */
export async function startEventReceiver(options: EventReceiverOptions): Promise<EventReceiver> {
  const server = createServer((request, response) => {
    received(request, options).then(
      (status) => response.writeHead(status).end(),
      () => response.destroy(),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

/** The status of the answer. */
async function received(
  request: IncomingMessage,
  { secrets, print }: EventReceiverOptions,
): Promise<number> {
  const text = await textOf(request)
  if (text === undefined) return 413
  if (!isGenuine(request.headers, text, secrets())) return 401
  const { event, ...told } = JSON.parse(text) as Record<string, unknown>
  const { url = '' } = request
  print(`event for ${url.slice(1)}: ${String(event)} ${JSON.stringify(told)} (signature verified)`)
  return 204
}

async function textOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MAX_BODY_BYTES) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function isGenuine(
  headers: IncomingHttpHeaders,
  text: string,
  secrets: readonly string[],
): boolean {
  const {
    'webhook-id': id,
    'webhook-timestamp': seconds,
    'webhook-signature': signatures,
  } = headers
  const age = Math.abs(Date.now() / 1_000 - Number(seconds))
  if (!(age <= TOLERANCE_SECONDS)) return false
  const given = String(signatures)
    .split(' ')
    .filter((signature) => signature.startsWith('v1,'))
    .map((signature) => Buffer.from(signature.slice('v1,'.length), 'base64'))
  return secrets.some((secret) => {
    const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
    const expected = createHmac('sha256', key).update([id, seconds, text].join('.')).digest()
    return given.some((each) => each.length === expected.length && timingSafeEqual(each, expected))
  })
}
