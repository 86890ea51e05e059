import { type SimulatorOptions, startSimulator, type Simulator } from '../../simulator/server.ts'
import { DEFAULT_CLIENT, type SimulatedClient } from '../../simulator/simulated-client.ts'
import { smallWorld } from '../../simulator/small-world.ts'

export interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // The shape differs from operation to operation; assertions look into it.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any
}

/** Asks a simulator as a client does. Logs in with the first request. */
export interface Caller {
  readonly simulator: Simulator
  get(path: string): Promise<Reply>
  send(method: string, path: string, body?: unknown): Promise<Reply>
  login(): Promise<Reply>
}

async function toReply(response: Response): Promise<Reply> {
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json') === true && text !== ''
  let body: unknown
  try {
    body = isJson ? JSON.parse(text) : undefined
  } catch {
    body = undefined
  }
  return { status: response.status, headers: response.headers, text, body }
}

export async function requestToken(
  url: string,
  { id, secret }: Pick<SimulatedClient, 'id' | 'secret'>,
  grantType = 'client_credentials',
): Promise<Reply> {
  const basic = Buffer.from(`${id}:${secret}`).toString('base64')
  return toReply(
    await fetch(`${url}/oauth/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${basic}` },
      body: new URLSearchParams({ grant_type: grantType }),
    }),
  )
}

export function callerOf(simulator: Simulator, client: SimulatedClient = DEFAULT_CLIENT): Caller {
  let token: string | undefined
  const login = async (): Promise<Reply> => {
    const reply = await requestToken(simulator.url, client)
    token = reply.body?.access_token
    return reply
  }
  const send = async (method: string, path: string, body?: unknown): Promise<Reply> => {
    if (token === undefined) await login()
    const response = await fetch(simulator.url + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    return toReply(response)
  }
  return { simulator, login, send, get: (path) => send('GET', path) }
}

/** A simulator of the small world, closed when the test ends, and a caller with all rights. */
export async function startCaller(
  t: { teardown(close: () => Promise<void>): void },
  options: Partial<SimulatorOptions> = {},
): Promise<Caller> {
  const simulator = await startSimulator({ world: smallWorld(), ...options })
  t.teardown(() => simulator.close())
  return callerOf(simulator)
}
