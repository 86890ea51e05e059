import { ADMIN_KEY, CHECK_KEY } from './environment.ts'
import { until } from './until.ts'

// Bodies are read as callers do: by name, without a schema.
// oxlint-disable-next-line typescript/no-explicit-any
export type Body = any

export type Answer = {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly body: Body
}

export type Question = {
  readonly userId: string
  readonly permission: string
  readonly divisionId?: string | undefined
}

export type Addresses = { readonly checkUrl: string; readonly adminUrl: string }

export type Sent = {
  readonly key?: string
  readonly body?: unknown
  /** Sent as it is, in the place of a body. */
  readonly csv?: string
  readonly headers?: Record<string, string>
}

/** Whether the event loop was late, as it is on a busy machine. */
function isOverloaded({ status, body }: Answer): boolean {
  return status === 503 && String(body?.type).endsWith(':overloaded')
}

/** Before anything was done: for asking too often, or because the event loop was late. */
function isTurnedAway(answer: Answer): boolean {
  return answer.status === 429 || isOverloaded(answer)
}

/**
 * Asks both planes over HTTP; `onText` is told of all that comes back. Who is turned away asks
 * again, as callers are told to: how fast a test runs says nothing of the service.
 */
export class Caller {
  readonly #addresses: Addresses
  readonly #onText: (text: string) => void

  constructor(addresses: Addresses, onText: (text: string) => void = () => undefined) {
    this.#addresses = addresses
    this.#onText = onText
  }

  check(path: string, { key = CHECK_KEY, ...sent }: Sent = {}): Promise<Answer> {
    return this.#send(this.#addresses.checkUrl + path, { key, ...sent })
  }

  admin(path: string, { key = ADMIN_KEY, ...sent }: Sent = {}): Promise<Answer> {
    return this.#send(this.#addresses.adminUrl + path, { key, ...sent })
  }

  /** A single check; other members are query parameters too. */
  ask(question: Question & { explain?: string }, sent: Sent = {}): Promise<Answer> {
    const query = new URLSearchParams()
    for (const [name, value] of Object.entries(question)) if (value) query.set(name, value)
    return this.check(`/check-permission?${query.toString()}`, sent)
  }

  /** `allowed`, or the reason why not. */
  async outcome(question: Question): Promise<string> {
    const { status, body } = await this.ask(question)
    if (status !== 200) return `${status} ${body.type}`
    return body.allowed === true ? 'allowed' : body.reason
  }

  async batch(checks: readonly Question[]): Promise<Answer> {
    return await this.check('/api/v1/check-permissions', { body: { checks } })
  }

  ready(): Promise<Answer> {
    return this.check('/health/ready', { key: '' })
  }

  /** The first answer of a service that is ready. */
  untilReady(): Promise<Answer> {
    return until('the service is ready', async () => {
      const ready = await this.ready()
      return ready.status === 200 && ready
    })
  }

  /** Starts one of its own: one that is at work may have read before what is to be seen. */
  startRebuild(body: unknown = {}): Promise<Body> {
    return until('a rebuild was started', async () => {
      const answer = await this.admin('/admin/v1/rebuilds', { body })
      if (answer.status === 202) return answer.body
      if (answer.status !== 200) throw new Error(`a rebuild was not started: ${answer.text}`)
      await this.untilEnded(answer.body.id)
      return false
    })
  }

  untilEnded(id: string): Promise<Body> {
    return until('the rebuild has ended', async () => {
      const { status, body } = await this.admin(`/admin/v1/rebuilds/${id}`)
      return status === 200 && body.state !== 'running' && body
    })
  }

  async rebuild(body: unknown = {}): Promise<Body> {
    return await this.untilEnded((await this.startRebuild(body)).id)
  }

  /** One value of `/metrics`. */
  async metric(name: string): Promise<number> {
    const { text } = await this.admin('/metrics')
    const line = text.split('\n').find((each) => each.startsWith(`permission_check_${name} `))
    return Number(line?.split(' ').at(-1))
  }

  #send(url: string, sent: Sent): Promise<Answer> {
    return until('the service has time', async () => {
      const answer = await this.#sendOnce(url, sent)
      return !isTurnedAway(answer) && answer
    })
  }

  async #sendOnce(url: string, { key, body, csv, headers }: Sent): Promise<Answer> {
    const content = csv ?? (body === undefined ? null : JSON.stringify(body))
    const type = csv === undefined ? 'application/json' : 'text/csv'
    const response = await fetch(url, {
      method: content === null ? 'GET' : 'POST',
      headers: {
        ...(key ? { authorization: `Bearer ${key}` } : {}),
        ...(content === null ? {} : { 'content-type': type }),
        ...headers,
      },
      body: content,
    })
    const text = await response.text()
    this.#onText(`${JSON.stringify([...response.headers])}${text}`)
    const json = /[/+]json/.test(response.headers.get('content-type') ?? '')
    const parsed: Body = json && text !== '' ? JSON.parse(text) : undefined
    return { status: response.status, headers: response.headers, text, body: parsed }
  }
}
