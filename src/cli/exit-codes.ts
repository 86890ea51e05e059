import { Failure } from '../domain/failure.ts'
import type { FailureCode } from '../domain/failure.ts'

/** What the process ends with; scripts rely on these numbers. */
export const EXIT = {
  /** Done; for a check: allowed. */
  done: 0,
  /** Denied, or there are differences. */
  denied: 1,
  /** The command line, its input or its settings are at fault: another command is needed. */
  usage: 2,
  /** The service or the platform could not answer, or would not: the same command may work later. */
  upstream: 3,
  /** A part was done, another was not. */
  partial: 4,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** What only another command, or other input, can mend. */
const USAGE_CODES: ReadonlySet<FailureCode> = new Set(['invalid', 'not-found', 'too-large'])

export function exitCodeOf(error: unknown): ExitCode {
  return error instanceof Failure && USAGE_CODES.has(error.code) ? EXIT.usage : EXIT.upstream
}
