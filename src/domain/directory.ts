import type { Drift } from './compare-matrices.ts'
import type { SubjectFact } from './facts.ts'
import type { ConflictList } from './list-conflicts.ts'
import type { RoleRule } from './role-rules.ts'
import type { Simulation, SimulationRequest } from './simulation.ts'

/** What a client-credentials client may read, and what will not work because it may not. */
export type Preflight = {
  readonly organizationId: string
  readonly organizationName: string
  /** Platform permissions that the client lacks, with what each is needed for. */
  readonly missing: readonly MissingPermission[]
  /** False when the platform would not tell what the client may do. */
  readonly permissionsKnown: boolean
}

export type MissingPermission = {
  readonly permission: string
  readonly neededFor: string
  /** Without it no matrix can be built. */
  readonly essential: boolean
}

export type Progress = { readonly done: number; readonly total: number }

export type ReadMatrixOptions = {
  readonly signal: AbortSignal
  readonly onProgress: (progress: Progress) => void
}

export type SubjectsRead = {
  readonly found: readonly SubjectFact[]
  /** Ids that the platform does not know. */
  readonly absent: readonly string[]
}

/**
 * The platform as the service needs it. Every operation is bounded in time and attempts by the
 * implementation and throws a `Failure` with an `upstream-…` code; nothing above retries.
 */
export interface Directory {
  /** Who we are to the platform. Throws `upstream-refused` for wrong credentials. */
  preflight(signal: AbortSignal): Promise<Preflight>
  /** Reads the whole organisation into an unpublished matrix; all of it, or it throws. */
  readMatrix(options: ReadMatrixOptions): Promise<SharedArrayBuffer>
  /** Reads single users as they are now; at most 50 at a time. */
  readSubjects(ids: readonly string[], signal: AbortSignal): Promise<SubjectsRead>
}

/** Heavy work on matrices, done where no check has to wait for it. */
export interface MatrixWorkshop {
  /** See `mergeSubjects`. */
  merge(base: SharedArrayBuffer, subjects: readonly SubjectFact[]): Promise<SharedArrayBuffer>
  /** See `compareMatrices`. */
  compare(before: SharedArrayBuffer, after: SharedArrayBuffer): Promise<Drift>
  /** See `simulate`. Throws `invalid` when the request names what the matrix does not have. */
  simulate(base: SharedArrayBuffer, request: SimulationRequest): Promise<Simulation>
  /** See `currentConflicts`. */
  conflicts(
    matrix: SharedArrayBuffer,
    rules: readonly RoleRule[],
    limit: number,
  ): Promise<ConflictList>
}
