import type { AuditTrail, NewAuditEntry, Verification } from '../domain/audit.ts'
import type { Logger } from '../observability/logger.ts'

export type ChainAlarmOptions = {
  readonly trail: AuditTrail
  readonly logger: Logger
}

/**
 * Verifies the trail for whoever asks, and tells of a chain that is broken: with an entry, and so
 * with an event. The same fault is told once in the life of a process, however often it is found.
 */
export class ChainAlarm {
  readonly #options: ChainAlarmOptions
  readonly #told = new Set<string>()

  constructor(options: ChainAlarmOptions) {
    this.#options = options
  }

  /** See `AuditTrail.verify`. */
  async verify(signal: AbortSignal): Promise<Verification> {
    const verification = await this.#options.trail.verify(signal)
    if (verification.broken) await this.#tell(verification.broken)
    return verification
  }

  async #tell(broken: NonNullable<Verification['broken']>): Promise<void> {
    const { trail, logger } = this.#options
    const key = JSON.stringify(broken)
    if (this.#told.has(key)) return
    this.#told.add(key)
    logger.error({ broken }, 'the audit trail is broken')
    try {
      await trail.append([brokenEntry(broken)])
    } catch (error) {
      this.#told.delete(key)
      logger.error({ err: error }, 'that the audit trail is broken could not be recorded')
    }
  }
}

function brokenEntry({ sequence, reason }: NonNullable<Verification['broken']>): NewAuditEntry {
  return {
    action: 'chain_broken',
    outcome: 'failed',
    actor: 'service',
    requestId: '',
    userId: null,
    subjectId: null,
    before: null,
    after: null,
    details: { sequence, reason },
  }
}
