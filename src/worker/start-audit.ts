import { createHash } from 'node:crypto'
import { auditEntry } from '../domain/audit.ts'
import type { AuditTrail, JsonObject, NewAuditEntry } from '../domain/audit.ts'
import { NO_NAMES } from '../domain/organization-names.ts'
import type { RoleRule } from '../domain/role-rules.ts'
import type { Logger } from '../observability/logger.ts'
import type { Clock } from './clock.ts'
import { fitEntry } from './fit-entry.ts'

/** Pauses double from the first to the longest: a store that is down for a day is tried all day. */
const FIRST_PAUSE_MS = 1_000
const MAX_PAUSE_MS = 60_000
const MAX_ATTEMPTS = 1_440

export type StartAuditOptions = {
  readonly trail: Pick<AuditTrail, 'append'>
  /** Of the service. */
  readonly version: string
  /** What is in force from now on. */
  readonly rules: readonly RoleRule[]
  /** Days that the trail is kept; 0 for ever. */
  readonly retentionDays: number
  /** How the trail's witness was found; see `Store.witnessAtStart`. */
  readonly witness: () => Promise<JsonObject>
  readonly logger: Logger
  readonly clock: Clock
}

/**
 * Records the start of the service, and with it which rules are in force from then on. A store that
 * is down keeps no service from starting: the entry is tried again until it is in the trail.
 */
export class StartAudit {
  readonly #options: StartAuditOptions
  readonly #stopping = new AbortController()
  #recording: Promise<void> | undefined

  constructor(options: StartAuditOptions) {
    this.#options = options
  }

  /** To be called once. */
  begin(): void {
    this.#recording = this.#record(new Date(this.#options.clock.now()).toISOString())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    await this.#recording
  }

  async #record(startedAt: string): Promise<void> {
    const { trail, witness, clock, logger } = this.#options
    const { signal } = this.#stopping
    let pauseMs = FIRST_PAUSE_MS
    for (let attempt = 1; attempt <= MAX_ATTEMPTS && !signal.aborted; attempt++) {
      try {
        await trail.append([this.#entry(startedAt, await witness())])
        return
      } catch (error) {
        if (attempt === 1) logger.warn({ err: error }, 'the start is not in the audit trail yet')
      }
      await clock.pause(pauseMs, signal).catch(() => undefined)
      pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)
    }
    logger.error('the start of the service is not in the audit trail')
  }

  /**
   * `details` are `{startedAt, version, rulesCount, rulesHash, rules, retentionDays, witness}`; the hash
   * is the SHA-256, in hex, of the rules' JSON text, whether or not all of them are told.
   */
  #entry(startedAt: string, witness: JsonObject): NewAuditEntry {
    const { version, rules, retentionDays } = this.#options
    const entry: NewAuditEntry = auditEntry({
      action: 'service_started',
      outcome: 'succeeded',
      actor: 'service',
      details: {
        startedAt,
        version,
        rulesCount: rules.length,
        rulesHash: createHash('sha256').update(JSON.stringify(rules)).digest('hex'),
        rules,
        retentionDays,
        witness,
      },
    })
    return fitEntry(entry, NO_NAMES)
  }
}
