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

export type OrganizationPreview = AllowlistDifference & {
  /** The list as it is now, as the platform writes it. */
  readonly before: readonly string[]
}

export type OrganizationResult = OrganizationReplacement &
  AllowlistDifference & { readonly changeId: string }

/** The organisation's own list, and the change of it that an undo would take back. */
export type OrganizationAllowlist = {
  readonly networks: readonly string[]
  readonly undoable: OrganizationChange | undefined
}

/**
 * Where networks and environments are kept in order. What changes something is recorded before and
 * after, failures too, and goes on when its caller has gone: a change that was begun has an end in
 * the trail. All throw what `ArchitecturePlatform` throws, `invalid` with every fault of a request,
 * `overloaded` when too much is under way, `store-unavailable` when it cannot be recorded.
 */
export interface ArchitectureDesk {
  listAllowlists(): Promise<readonly IpAllowlist[]>
  validateAllowlist(requested: RequestedAllowlist): Validation<AllowlistDraft>
  /** Creates nothing. Throws as {@link createAllowlist} would. */
  previewAllowlist(requested: RequestedAllowlist): Promise<Warned<AllowlistPreview>>
  createAllowlist(
    requested: RequestedAllowlist,
    by: Requester,
  ): Promise<Warned<Creation<IpAllowlist>>>
  readOrganizationAllowlist(): Promise<OrganizationAllowlist>
  validateOrganizationAllowlist(
    requested: RequestedOrganizationAllowlist,
  ): Validation<OrganizationAllowlistDraft>
  /** Changes nothing. Throws as {@link replaceOrganizationAllowlist} would. */
  previewOrganizationAllowlist(
    requested: RequestedOrganizationAllowlist,
  ): Promise<Warned<OrganizationPreview>>
  replaceOrganizationAllowlist(
    requested: RequestedOrganizationAllowlist,
    by: Requester,
  ): Promise<Warned<OrganizationResult>>
  /**
   * Takes back the newest change that is not taken back yet. Throws `conflict` when there is none,
   * when the list is no longer what that change left, and when the one before would shut out
   * `callerAddress`. Restoring an empty list is allowed: it is what was there.
   */
  undoOrganizationAllowlist(
    request: { readonly callerAddress?: string | undefined },
    by: Requester,
  ): Promise<OrganizationResult>
  listEnvironments(): Promise<readonly Environment[]>
  validateEnvironment(requested: RequestedEnvironment): Validation<EnvironmentDraft>
  /** Creates nothing. Throws as {@link createEnvironment} would. */
  previewEnvironment(requested: RequestedEnvironment): Promise<Warned<EnvironmentPreview>>
  createEnvironment(
    requested: RequestedEnvironment,
    by: Requester,
  ): Promise<Warned<EnvironmentCreation & { readonly maxEnvironments: number }>>
}
