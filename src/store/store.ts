import type { AuditTrail, Verification } from '../domain/audit.ts'
import type { OperationStore } from '../domain/architecture-operation.ts'
import type { DeliveryStore, EventTarget } from '../domain/delivery.ts'
import type { ReportStore } from '../domain/report-store.ts'
import type { RoleChangeStore } from '../domain/role-change-store.ts'
import type { Logger } from '../observability/logger.ts'
import { AuditLog } from './audit-log.ts'
import { AuditedWrites } from './audited-writes.ts'
import { readHead } from './chain-rows.ts'
import { Database } from './database.ts'
import type { StoreState } from './database.ts'
import { createDialect } from './dialect.ts'
import type { DatabaseLocation } from './dialect.ts'
import { OrganizationBinding } from './organization-binding.ts'
import { Deliveries, releaseDeliveries } from './deliveries.ts'
import { abandonOperations, Operations } from './operations.ts'
import { endInterruptedReports, Reports } from './reports.ts'
import { prune, removeExpired } from './retention.ts'
import type { Pruned } from './retention.ts'
import { RoleChanges } from './role-changes.ts'
import { verifyChain } from './verify-chain.ts'
import { Witness } from './witness.ts'
import type { WitnessAtStart } from './witness.ts'

export type StoreOptions = {
  readonly database: DatabaseLocation
  /** Where count and head hash of the audit trail are kept outside the database. */
  readonly witnessFile: string
  readonly logger: Logger
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly onState?: ((state: StoreState) => void) | undefined
  /** Told what every verification of the trail found, whoever asked for it. */
  readonly onVerified?: ((verification: Verification) => void) | undefined
  /** How long a call waits for a database that is not open yet; 5,000. */
  readonly openWaitMs?: number | undefined
  /** Those that events are told to; none without. */
  readonly eventTargets?: readonly EventTarget[] | undefined
  /** Told when deliveries are due by what this process did. */
  readonly onQueued?: (() => void) | undefined
}

/** Everything durable. Disposed, it has written what was accepted and let go of the database. */
export type Store = AsyncDisposable & {
  readonly audit: AuditTrail
  readonly roleChanges: RoleChangeStore
  readonly reports: ReportStore
  readonly operations: OperationStore
  readonly deliveries: DeliveryStore
  readonly state: StoreState
  /** Asks the database. Rejects with `store-unavailable`. */
  ready(): Promise<void>
  /**
   * Says whose organisation the platform has confirmed this service to be of. The first binds the
   * database to it. Throws `invalid` when it belongs to another: from then on every write throws
   * `store-unavailable`. Rejects with that too while the database cannot be asked; then the next
   * write finds out. Until it is called, a database that is bound gives no batch to be carried out.
   */
  confirmOrganization(organizationId: string): Promise<void>
  /** What was found of the trail's witness when the store opened. Rejects with `store-unavailable`. */
  witnessAtStart(): Promise<WitnessAtStart>
  /**
   * Removes what is older than a time; the trail's last entry, batches that still move, and those
   * with sunsets to come stay. The chain stays verifiable. Rejects with the signal's reason.
   */
  pruneAudit(olderThan: Date, signal: AbortSignal): Promise<Pruned>
}

/**
 * Opens the store without waiting for its database: connecting and migrating go on in the
 * background, with growing pauses, until they succeed or the store is disposed. Throws `invalid`
 * for a location that cannot be one.
 */
export function openStore(options: StoreOptions): Store {
  const { logger, now, onState, onVerified, openWaitMs } = options
  const eventTargets = new Set(options.eventTargets)
  const onQueued = (): void => options.onQueued?.()
  const dialect = createDialect(options.database, logger)
  const witness = new Witness({ path: options.witnessFile, logger })
  const database = new Database({
    dialect,
    logger,
    onState: (state) => onState?.(state),
    openWaitMs,
  })
  const organization = new OrganizationBinding()
  const writes = new AuditedWrites({
    database,
    witness,
    organization,
    now,
    eventTargets,
    onQueued,
  })
  const parts = { database, witness, writes, organization, now }
  let found: WitnessAtStart | undefined
  database.open(async (db) => {
    const opened = await witness.open(db)
    // A second attempt finds what the first one noted.
    found ??= opened
    await endInterruptedReports(db, dialect.kind, now())
    await abandonOperations(db, dialect.kind, now())
    await releaseDeliveries(db, dialect.kind)
    await removeExpired(db, now())
  })
  const verify = async (signal: AbortSignal): Promise<Verification> => {
    const verification = await verifyChain(parts, signal)
    onVerified?.(verification)
    return verification
  }
  return {
    audit: new AuditLog({ ...parts, verifyChain: verify }),
    roleChanges: new RoleChanges(parts),
    reports: new Reports(parts),
    operations: new Operations(parts),
    deliveries: new Deliveries({ ...parts, onQueued }),
    get state() {
      return database.state
    },
    async ready() {
      await database.read(readHead)
    },
    async confirmOrganization(organizationId) {
      organization.confirm(organizationId)
      await database.write((transaction) => organization.check(transaction, 'invalid'))
    },
    async witnessAtStart() {
      await database.read(readHead)
      return found ?? { state: 'absent', count: null }
    },
    pruneAudit: (olderThan, signal) => prune(parts, olderThan.getTime(), signal),
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]()
      await witness[Symbol.asyncDispose]()
    },
  }
}
