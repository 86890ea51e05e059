import type { Directory, Preflight } from '../domain/directory.ts'
import { Failure } from '../domain/failure.ts'
import type { FailureCode } from '../domain/failure.ts'
import type { Logger } from '../observability/logger.ts'
import type { MatrixPublisher } from './matrix-publisher.ts'

/** What waiting does not mend: another organisation, or credentials that are not taken. */
const FATAL_AT_START: ReadonlySet<FailureCode> = new Set(['invalid', 'upstream-refused'])

export type StartCheckOptions = {
  readonly directory: Pick<Directory, 'preflight'>
  readonly publisher: Pick<MatrixPublisher, 'held' | 'discard'>
  /** When set, the platform's organisation must be this one. */
  readonly organizationId: string | undefined
  readonly logger: Logger
}

/**
 * Finds out, once, whether the platform takes our credentials, whose organisation it is and what
 * the client may not do. Until it has succeeded it is tried again by whoever needs it.
 */
export class StartCheck {
  readonly #options: StartCheckOptions
  #passed: Preflight | undefined

  constructor(options: StartCheckOptions) {
    this.#options = options
  }

  get passed(): Preflight | undefined {
    return this.#passed
  }

  /**
   * {@link confirm} for a start: throws what waiting does not mend. A platform that cannot be reached
   * is no reason not to start.
   */
  async begin(signal: AbortSignal): Promise<void> {
    try {
      await this.confirm(signal)
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof Failure) || FATAL_AT_START.has(error.code)) throw error
      this.#options.logger.warn(
        { err: error },
        'the platform is no help just now: starting without it',
      )
    }
  }

  /**
   * Throws `invalid` for another organisation than configured, `upstream-refused` for credentials
   * that the platform does not take, `upstream-busy` while it cannot be reached.
   */
  async confirm(signal: AbortSignal): Promise<Preflight> {
    if (this.#passed) return this.#passed
    const { directory, organizationId, publisher, logger } = this.#options
    const preflight = await directory.preflight(signal)
    if (organizationId !== undefined && preflight.organizationId !== organizationId) {
      publisher.discard()
      throw new Failure(
        'invalid',
        `GENESYS_ORGANIZATION_ID is ${organizationId}, but the client belongs to ${preflight.organizationId} (${preflight.organizationName})`,
      )
    }
    const held = publisher.held?.description.organizationId
    if (held !== undefined && held !== preflight.organizationId) {
      publisher.discard()
      logger.error({ snapshot: held }, 'the snapshot is of another organisation: no longer served')
    }
    this.#report(preflight)
    this.#passed = preflight
    return preflight
  }

  #report(preflight: Preflight): void {
    const { logger } = this.#options
    const { organizationId, organizationName } = preflight
    logger.info({ organizationId, organizationName }, 'the platform knows us')
    if (!preflight.permissionsKnown) {
      logger.warn('the platform does not tell what the client may do')
    }
    for (const { permission, neededFor, essential } of preflight.missing) {
      const line = `the client lacks ${permission}: without it ${neededFor} will not work`
      if (essential) logger.error({ permission }, line)
      else logger.warn({ permission }, line)
    }
  }
}
