import type {
  Creation,
  Environment,
  EnvironmentCreation,
  IpAllowlist,
  OrganizationReplacement,
} from './architecture-platform.ts'
import type { OrganizationChange } from './architecture-operation.ts'
import type { EnvironmentDraft, RequestedEnvironment } from './environment.ts'
import type { Fault } from './failure.ts'
import type { AllowlistDraft, RequestedAllowlist } from './ip-allowlist.ts'
import type {
  AllowlistDifference,
  OrganizationAllowlistDraft,
  RequestedOrganizationAllowlist,
} from './organization-allowlist.ts'
import type { Validation } from './validation.ts'

/** Who asks, for the trail. */
export type Requester = { readonly actor: string; readonly requestId: string }

/** What was done, and what the check of the request warned of. */
export type Warned<Value> = Value & { readonly warnings: readonly Fault[] }

/** What creating would come to: `existing` where the same is there already. */
export type AllowlistPreview = { readonly outcome: 'created' | 'existing' }
export type EnvironmentPreview = { readonly count: number; readonly maxEnvironments: number }

export type CountedEnvironment = EnvironmentCreation & { readonly maxEnvironments: number }

export type OrganizationPreview = AllowlistDifference & {
  /** The list as it is now, as the platform writes it. */
  readonly before: readonly string[]
}

export type OrganizationResult = Omit<OrganizationReplacement, 'overtaken'> &
  AllowlistDifference & { readonly changeId: string }

/** The organisation's own list, and the change of it that an undo would take back. */
type OrganizationAllowlist = {
  readonly networks: readonly string[]
  readonly undoable: OrganizationChange | undefined
}

/*
 * Where networks and environments are kept in order. What changes something is recorded before and
 * after, failures too, and goes on when its caller has gone: a change that was begun has an end in
 * the trail. All of it throws what `ArchitecturePlatform` throws, `invalid` with every fault of a
 * request, `overloaded` when too much is under way, `store-unavailable` when it cannot be recorded.
 */

export interface AllowlistDesk {
  list(): Promise<readonly IpAllowlist[]>
  validate(requested: RequestedAllowlist): Validation<AllowlistDraft>
  /** Creates nothing. Throws as {@link create} would. */
  preview(requested: RequestedAllowlist): Promise<Warned<AllowlistPreview>>
  create(requested: RequestedAllowlist, by: Requester): Promise<Warned<Creation<IpAllowlist>>>
}

export interface OrganizationAllowlistDesk {
  read(): Promise<OrganizationAllowlist>
  validate(requested: RequestedOrganizationAllowlist): Validation<OrganizationAllowlistDraft>
  /** Changes nothing. Throws as {@link replace} would. */
  preview(requested: RequestedOrganizationAllowlist): Promise<Warned<OrganizationPreview>>
  replace(
    requested: RequestedOrganizationAllowlist,
    by: Requester,
  ): Promise<Warned<OrganizationResult>>
  /**
   * Takes back the newest change that is not taken back yet. Throws `conflict` when there is none,
   * when the list is no longer what that change left, and when the one before would shut out
   * `callerAddress`. Restoring an empty list is allowed: it is what was there.
   */
  undo(
    request: { readonly callerAddress?: string | undefined },
    by: Requester,
  ): Promise<Warned<OrganizationResult>>
}

export interface EnvironmentDesk {
  list(): Promise<readonly Environment[]>
  validate(requested: RequestedEnvironment): Validation<EnvironmentDraft>
  /** Creates nothing. Throws as {@link create} would. */
  preview(requested: RequestedEnvironment): Promise<Warned<EnvironmentPreview>>
  create(requested: RequestedEnvironment, by: Requester): Promise<Warned<CountedEnvironment>>
}
