import { auditEntry } from '../domain/audit.ts'
import type { AuditTrail, NewAuditEntry } from '../domain/audit.ts'
import type { Logger } from '../observability/logger.ts'
import { sourceOf } from './source-address.ts'

/** Sources told apart within one minute; the rest are counted together. */
const MAX_SOURCES = 50
const OTHERS = 'other'
/** Minutes kept while the trail cannot be written; older ones are given up. */
const MAX_MINUTES = 60
const MINUTE_MS = 60_000

type Counts = { unauthenticated: number; forbidden: number }

export type RefusedLoginsOptions = {
  readonly audit: Pick<AuditTrail, 'append'>
  readonly logger: Pick<Logger, 'error'>
  /** Epoch milliseconds. */
  readonly now: () => number
}

/**
 * Counts refused credentials and scopes by minute and source address, and records the counts in the
 * trail: one entry for each source and minute, however many requests there were. While the trail
 * cannot be written the counts of the last hour are kept.
 *
 * The source is who opened the connection, IPv6 by /64. No header is believed: where a proxy stands in
 * front, every request has the proxy's address, and the proxy's own log has the others.
 */
export class RefusedLogins implements AsyncDisposable {
  readonly #options: RefusedLoginsOptions
  /** By the minute's beginning, then by plane and source. */
  readonly #minutes = new Map<number, Map<string, Counts>>()
  readonly #timer: NodeJS.Timeout
  #flushing: Promise<void> | undefined

  constructor(options: RefusedLoginsOptions) {
    this.#options = options
    this.#timer = setInterval(() => void this.flush(), MINUTE_MS).unref()
  }

  /** Counts one refusal. Cheap, whoever asks how often. */
  note(plane: 'check' | 'admin', code: 'unauthenticated' | 'forbidden', source: string): void {
    const minute = this.#minute()
    let sources = this.#minutes.get(minute)
    if (!sources) {
      sources = new Map()
      this.#minutes.set(minute, sources)
      for (const oldest of this.#minutes.keys()) {
        if (this.#minutes.size <= MAX_MINUTES) break
        this.#minutes.delete(oldest)
      }
    }
    const key = `${plane} ${sourceOf(source)}`
    const known = sources.has(key) || sources.size < MAX_SOURCES
    const name = known ? key : `${plane} ${OTHERS}`
    let counts = sources.get(name)
    if (!counts) {
      counts = { unauthenticated: 0, forbidden: 0 }
      sources.set(name, counts)
    }
    counts[code] += 1
  }

  /** Records the minutes that are over. Never throws: what could not be recorded is kept. */
  async flush(): Promise<void> {
    this.#flushing ??= this.#record(this.#minute()).finally(() => {
      this.#flushing = undefined
    })
    await this.#flushing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    await this.#flushing
    await this.#record(Infinity)
  }

  #minute(): number {
    return Math.floor(this.#options.now() / MINUTE_MS) * MINUTE_MS
  }

  async #record(before: number): Promise<void> {
    for (const [minute, sources] of [...this.#minutes]) {
      if (minute >= before) continue
      try {
        const entries = [...sources].map(([key, counts]) => entry(minute, key, counts))
        await this.#options.audit.append(entries)
      } catch (error) {
        this.#options.logger.error({ err: error }, 'refused logins were not recorded')
        return
      }
      this.#minutes.delete(minute)
    }
  }
}

function entry(minute: number, key: string, counts: Counts): NewAuditEntry {
  const space = key.indexOf(' ')
  return auditEntry({
    action: 'login_refused',
    outcome: 'refused',
    actor: 'service',
    details: {
      minute: new Date(minute).toISOString(),
      plane: key.slice(0, space),
      source: key.slice(space + 1),
      unauthenticated: counts.unauthenticated,
      forbidden: counts.forbidden,
    },
  })
}
