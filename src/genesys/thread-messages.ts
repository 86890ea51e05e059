import type { Preflight, Progress, SubjectsRead } from '../domain/directory.ts'
import type { Drift } from '../domain/compare-matrices.ts'
import type { Grant, SubjectFact } from '../domain/facts.ts'
import { Failure } from '../domain/failure.ts'
import type { FailureCode, Fault, UpstreamAnswer } from '../domain/failure.ts'
import type { ConflictList, ConflictPage } from '../domain/list-conflicts.ts'
import type { GrantDelta } from '../domain/role-change.ts'
import type { RoleRule } from '../domain/role-rules.ts'
import type { SimulationQuestion, SimulationText } from '../domain/simulation-text.ts'
import type { ArchitectureCalls } from './architecture-calls.ts'
import type { UpstreamEvent } from './upstream-event.ts'

/** What the thread can be asked for: arguments and answer of each kind. */
export type ThreadCalls = ArchitectureCalls & {
  preflight: { readonly request: null; readonly answer: Preflight }
  readMatrix: { readonly request: null; readonly answer: SharedArrayBuffer }
  readSubjects: { readonly request: readonly string[]; readonly answer: SubjectsRead }
  readDirectGrants: { readonly request: string; readonly answer: readonly Grant[] }
  writeGrants: {
    readonly request: { readonly userId: string; readonly delta: GrantDelta }
    readonly answer: undefined
  }
  merge: {
    readonly request: {
      readonly base: SharedArrayBuffer
      readonly subjects: readonly SubjectFact[]
    }
    readonly answer: SharedArrayBuffer
  }
  compare: {
    readonly request: { readonly before: SharedArrayBuffer; readonly after: SharedArrayBuffer }
    readonly answer: Drift
  }
  simulate: {
    readonly request: { readonly base: SharedArrayBuffer; readonly question: SimulationQuestion }
    readonly answer: SimulationText
  }
  conflicts: {
    readonly request: {
      readonly matrix: SharedArrayBuffer
      readonly rules: readonly RoleRule[]
      readonly page: ConflictPage
    }
    readonly answer: ConflictList
  }
}

export type CallKind = keyof ThreadCalls

/** One call on its way to the thread; `kind` tells what the request is. */
export type ThreadCall = {
  [Kind in CallKind]: {
    readonly type: 'call'
    readonly id: number
    readonly kind: Kind
    readonly request: ThreadCalls[Kind]['request']
  }
}[CallKind]

export type ToThread =
  | ThreadCall
  | { readonly type: 'abort'; readonly id: number }
  | { readonly type: 'close' }

export type FromThread =
  | { readonly type: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly type: 'failure'; readonly id: number; readonly failure: PlainFailure }
  | { readonly type: 'progress'; readonly id: number; readonly progress: Progress }
  | { readonly type: 'event'; readonly event: UpstreamEvent }

/** A `Failure` without its prototype, which no message carries. */
export type PlainFailure = {
  readonly code: FailureCode
  readonly message: string
  readonly field: string | undefined
  readonly faults: readonly Fault[] | undefined
  readonly retryAfterSeconds: number | undefined
  readonly upstream: UpstreamAnswer | undefined
  readonly undecided: boolean
  readonly unexecuted: boolean
}

/**
 * What may leave the thread of an error: nothing of one that nobody expected but that it was. It may
 * have come after a write was sent, so what it ended may have been done.
 */
export function plainFailure(error: unknown): PlainFailure {
  if (!(error instanceof Failure)) {
    const name = error instanceof Error ? error.constructor.name : typeof error
    return plainFailure(
      new Failure('internal', `the work ended in an unexpected ${name}`, { undecided: true }),
    )
  }
  const { code, message, field, faults, retryAfterSeconds, upstream, undecided, unexecuted } = error
  return { code, message, field, faults, retryAfterSeconds, upstream, undecided, unexecuted }
}

export function reviveFailure(plain: PlainFailure): Failure {
  const { code, message, ...details } = plain
  return new Failure(code, message, details)
}
