import { Failure } from '../domain/failure.ts'
import type { FailureCode } from '../domain/failure.ts'

/** What the process ends with; scripts rely on these numbers. */
export const EXIT = {
  /** Done; for a check: allowed. */
  done: 0,
  /** Denied, there are differences, a check found faults, or a guard of a rebuild said no. */
  denied: 1,
  /** The command line, its input or its settings are at fault: another command is needed. */
  usage: 2,
  /**
   * The service or the platform could not do it, or would not: the same command may work later. Also
   * a batch of which nothing was applied.
   */
  upstream: 3,
  /** A part was done, another was not; also a batch that was stopped on its way. */
  partial: 4,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** What only another command, or other input, can mend. */
const USAGE_CODES: ReadonlySet<FailureCode> = new Set(['invalid', 'not-found', 'too-large'])

/** A failure that left a part behind which is worth keeping; `message` tells which. */
export class PartialFailure extends Failure {}

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof PartialFailure) return EXIT.partial
  return error instanceof Failure && USAGE_CODES.has(error.code) ? EXIT.usage : EXIT.upstream
}
