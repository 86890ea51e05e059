import type { Progress } from './directory.ts'

/** `failed`: the platform could not be read. `refused`: a guard said no; `error` names it. */
type RebuildState = 'running' | 'succeeded' | 'failed' | 'refused'

/** One rebuild, from its start to its end. Times are ISO 8601 text in UTC. */
export type Rebuild = {
  readonly id: string
  readonly state: RebuildState
  /** Who asked: an admin's name, `schedule` or `start`. */
  readonly requestedBy: string
  /** The service began it by itself: an admin may bear the name `schedule` too. */
  readonly unattended?: true
  readonly allowShrink: boolean
  /** Requests to the platform: sent and known to be needed. */
  readonly progress: Progress
  readonly startedAt: string
  readonly finishedAt?: string
  /** Revision of the matrix that came of it. */
  readonly revision?: number
  readonly error?: string
}

export type RebuildRequest = Pick<Rebuild, 'requestedBy' | 'unattended' | 'allowShrink'>

export interface Rebuilds {
  /**
   * Starts a rebuild. Single flight: while one runs, it is answered with `started: false`. One that
   * runs without `allowShrink` is not joined by a request with it: throws `conflict`.
   */
  start(request: RebuildRequest): {
    readonly rebuild: Rebuild
    readonly started: boolean
  }
  /** One of the last rebuilds; throws `not-found` for others. */
  find(id: string): Rebuild
}
