import { auditEntry } from '../domain/audit.ts'
import type { AuditTrail, NewAuditEntry, Verification } from '../domain/audit.ts'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'
import { systemClock } from './clock.ts'
import type { Clock } from './clock.ts'

/** Not while the service is busy with its start. */
const FIRST_PAUSE_MS = 60_000
/** When few people work: local time, after retention. */
const NIGHT = { hour: 3, minute: 53 } as const
/** After a verification that did not come to an end. */
const RETRY_MS = 60 * 60_000
/** Recomputing a chain of many millions takes minutes. */
const MAX_VERIFICATION_MS = 60 * 60_000

export type AuditVerifierOptions = {
  readonly trail: Pick<AuditTrail, 'verify' | 'append'>
  readonly metrics: Pick<Metrics, 'auditAppendFailed'>
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
  readonly clock?: Clock
}

/**
 * Recomputes the trail's chain a minute after the start and every night, so that tampering is
 * noticed also where nobody asks. A chain that is broken is logged each time, and told to the trail
 * itself once for each fault; one that is sound leaves no entry.
 */
export class AuditVerifier implements AsyncDisposable {
  readonly #options: AuditVerifierOptions
  readonly #clock: Clock
  readonly #stopping = new AbortController()
  #looping: Promise<void> | undefined
  /** The fault that the trail was told of last. */
  #told: string | undefined

  constructor(options: AuditVerifierOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  /** To be called once. */
  begin(): void {
    this.#looping = this.#loop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    await this.#looping
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stopping
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = await this.#verify()) {
      await this.#clock.pause(pauseMs, signal).catch(() => undefined)
      if (signal.aborted) return
    }
  }

  /** Never throws; answers how long to wait for the next time. */
  async #verify(): Promise<number> {
    const { trail, logger } = this.#options
    const { signal } = this.#stopping
    const bound = AbortSignal.timeout(MAX_VERIFICATION_MS)
    try {
      const verification = await trail.verify(AbortSignal.any([signal, bound]))
      await this.#tell(verification)
      return untilNight(this.#clock.now())
    } catch (error) {
      if (!signal.aborted) logger.warn({ err: error }, 'the audit trail could not be verified')
      return RETRY_MS
    }
  }

  async #tell(verification: Verification): Promise<void> {
    const { trail, metrics, logger } = this.#options
    const { broken, checked } = verification
    if (broken === null) {
      this.#told = undefined
      logger.info({ checked }, 'the audit trail is intact')
      return
    }
    logger.error({ ...broken, checked }, 'the audit trail is broken')
    if (broken.reason === this.#told) return
    try {
      await trail.append([brokenEntry(verification, broken)])
      this.#told = broken.reason
    } catch (error) {
      metrics.auditAppendFailed()
      throw error
    }
  }
}

function untilNight(now: number): number {
  const next = new Date(now)
  next.setHours(NIGHT.hour, NIGHT.minute, 0, 0)
  if (next.getTime() <= now) next.setDate(next.getDate() + 1)
  return next.getTime() - now
}

function brokenEntry(
  { checked, head, witness }: Verification,
  broken: NonNullable<Verification['broken']>,
): NewAuditEntry {
  return auditEntry({
    action: 'audit_verification',
    outcome: 'failed',
    actor: 'service',
    details: { ...broken, checked, head, witness },
  })
}
