import type { EnvironmentDraft } from './environment.ts'
import type { AllowlistContent, AllowlistDraft } from './ip-allowlist.ts'

/** What an organisation offers of the architecture API; null where the platform does not tell. */
export type ArchitectureOffers = {
  readonly ipAllowlists: boolean | null
  readonly environments: boolean | null
}

/**
 * An allowlist as the platform has it. Its words for directions and scopes need not be those that
 * may be asked for.
 */
export type IpAllowlist = AllowlistContent & {
  readonly id: string
  readonly name: string
  /** As the platform writes it, ISO 8601; empty when it does not say. */
  readonly createdDate: string
}

/**
 * An environment as the platform has it. The platform need not tell again what it was created with:
 * parts that it leaves out are null.
 */
export type Environment = {
  readonly id: string
  readonly name: string
  readonly createdDate: string
  readonly description: string | null
  readonly configSource: { readonly type: string; readonly sources: readonly string[] } | null
  readonly accessControl: EnvironmentDraft['accessControl'] | null
}

/**
 * `created`: the platform said so. `existing`: the same was there before. `recovered`: the answer to
 * the creation was lost, and what it created was found by its name.
 */
export type CreationOutcome = 'created' | 'existing' | 'recovered'

export type Creation<Item> = {
  readonly item: Item
  readonly outcome: CreationOutcome
  /** From the first request for it to its last, pauses between attempts included. */
  readonly latencyMs: number
  /** How often the creation was sent; 0 when it was there already. */
  readonly attempts: number
}

export type EnvironmentCreation = Creation<Environment> & {
  /** How many environments there were before. */
  readonly countBefore: number
}

export type OrganizationReplacementRequest = {
  readonly expected: readonly string[]
  readonly networks: readonly string[]
  /**
   * What a platform that is behind our own writes may still show in the place of `expected`. With
   * it the list is sent even where it seems to be there already.
   */
  readonly stale?: readonly (readonly string[])[]
}

export type OrganizationReplacement = {
  /**
   * The list right before and as it is now, as the platform writes it; as it was sent where it could
   * not be read back.
   */
  readonly before: readonly string[]
  readonly after: readonly string[]
  /** False when the platform did not show the new list within the bound for reading back. */
  readonly visible: boolean
  /** True when the platform showed a list that is neither an old one nor the new one. */
  readonly overtaken: boolean
  readonly latencyMs: number
  /** How often the list was sent; 0 when it was there already. */
  readonly attempts: number
}

/**
 * The platform's architecture API and the organisation's own login allowlist. Every operation is
 * bounded in time and attempts and does its own retrying. All throw `not-offered` where the
 * organisation has no such collection; `upstream-refused` with the permission that is missing or
 * the platform's own detail; `upstream-busy`; `upstream-broken`. What may have been done is
 * `undecided`; what was certainly not done is `unexecuted`.
 */
export interface ArchitecturePlatform {
  offers(signal: AbortSignal): Promise<ArchitectureOffers>
  listIpAllowlists(signal: AbortSignal): Promise<readonly IpAllowlist[]>
  /** Creates it once. Throws `conflict` when one of that name has another content. */
  createIpAllowlist(draft: AllowlistDraft, signal: AbortSignal): Promise<Creation<IpAllowlist>>
  listEnvironments(signal: AbortSignal): Promise<readonly Environment[]>
  /**
   * Counts over all pages, then creates; one creation at a time. `recent` were created elsewhere so
   * lately that they count whether or not they are listed. Throws `conflict` with both counts when
   * there are `maxEnvironments` already, and when the name is taken.
   */
  createEnvironment(
    request: {
      readonly draft: EnvironmentDraft
      readonly maxEnvironments: number
      readonly recent?: readonly { readonly id: string; readonly name: string }[]
    },
    signal: AbortSignal,
  ): Promise<EnvironmentCreation>
  readOrganizationAllowlist(signal: AbortSignal): Promise<readonly string[]>
  /**
   * Replaces the list as a whole, all other settings left alone. Throws `conflict` when the list is
   * not `expected` right before the write: somebody else writes.
   */
  replaceOrganizationAllowlist(
    request: OrganizationReplacementRequest,
    signal: AbortSignal,
  ): Promise<OrganizationReplacement>
}
