import { createHmac, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, Server, ServerResponse } from 'node:http'
import { lastingPort } from './lasting-port.ts'

const KEY = Buffer.from('a key of 32 bytes, no more, none')
export const WEBHOOK_SECRET = `whsec_${KEY.toString('base64')}`

export type Received = {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly body: Readonly<Record<string, unknown>>
}

type Behaviour = (response: ServerResponse, received: Received) => void

const accept: Behaviour = (response) => void response.writeHead(204).end()

/** Somebody who wants to know: a server that remembers what it was told. */
export class WebhookReceiver {
  readonly received: Received[] = []
  /** How it answers; 204 to all as long as nothing else is said. */
  answer: Behaviour = accept
  #server: Server | undefined
  #port = 0

  /** What it took: told and answered with 2xx. */
  readonly taken: Received[] = []

  get url(): string {
    return `http://127.0.0.1:${this.#port}/hook?token=hunter2`
  }

  /** Listens, after {@link stop} at the same place as before. */
  async start(): Promise<void> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const body = text === '' ? {} : (JSON.parse(text) as Received['body'])
        const { method = '', url: path = '', headers } = request
        const received = { method, path, headers, text, body }
        this.received.push(received)
        this.answer(response, received)
        if (response.writableEnded && response.statusCode < 300) this.taken.push(received)
      })
    })
    if (this.#port === 0) this.#port = await lastingPort()
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    this.#server = server
  }

  async stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (!server) return
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }
}

export async function startReceiver(t: {
  teardown(dispose: () => unknown): void
}): Promise<WebhookReceiver> {
  const receiver = new WebhookReceiver()
  await receiver.start()
  t.teardown(() => receiver.stop())
  return receiver
}

/** Checks a message as the convention tells receivers to. */
export function isGenuine({ headers, text }: Received): boolean {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': given } = headers
  const expected = createHmac('sha256', KEY).update([id, timestamp, text].join('.')).digest()
  return String(given)
    .split(' ')
    .some((each) => {
      const [version, signature = ''] = each.split(',')
      const bytes = Buffer.from(signature, 'base64')
      return (
        version === 'v1' && bytes.length === expected.length && timingSafeEqual(bytes, expected)
      )
    })
}
