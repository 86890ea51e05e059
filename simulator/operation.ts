import type { PendingWrites } from './pending-writes.ts'
import type { Query } from './query.ts'
import type { ClientRecord } from './records.ts'
import type { World } from './world.ts'

export interface Answer {
  readonly status: number
  /** JSON text; absent for 204. */
  readonly body?: string
}

/** One authenticated, permitted request. */
export interface Call {
  readonly world: World
  readonly writes: PendingWrites
  readonly client: ClientRecord
  readonly token: string
  readonly path: string
  readonly params: Readonly<Record<string, string>>
  readonly query: Query
  readonly body: unknown
  readonly settings: PlatformSettings
  revokeToken(): void
}

/** Limits of the platform that a test may want smaller. */
export interface PlatformSettings {
  readonly requestsPerMinute: number
  /** Listing inactive users past this row is refused. */
  readonly inactiveListingLimit: number
  /** Direct grants that a subject may hold. */
  readonly maxGrantsPerSubject: number
  /** The longest interval of an aggregate query. */
  readonly maxAggregateDays: number
}

/** An operation of the platform: its place in the contract, the rights it asks for, its work. */
export interface Operation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** As in the vendor's definition, parameters in braces. */
  readonly path: string
  readonly query?: readonly string[]
  /** The caller needs any one of these. */
  readonly permissions?: readonly string[]
  /** The caller needs all of these as well. */
  readonly allPermissions?: readonly string[]
  /** The permissions have to be held in `*`, not merely in some division. */
  readonly everyDivision?: true
  /** False for an organisation that does not have it: 404, whatever the caller may do. */
  offered?(world: World): boolean
  handle(call: Call): Answer
}

export function json(body: string, status = 200): Answer {
  return { status, body }
}

export function noContent(): Answer {
  return { status: 204 }
}

export function parameter(call: Call, name: string): string {
  const value = call.params[name]
  if (value === undefined) throw new Error(`the path has no parameter ${name}`)
  return value
}
