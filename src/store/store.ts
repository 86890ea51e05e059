import type { AuditTrail, Verification } from '../domain/audit.ts'
import type { ReportStore } from '../domain/report-store.ts'
import type { RoleChangeStore } from '../domain/role-change-store.ts'
import type { Logger } from '../observability/logger.ts'
import { AuditLog } from './audit-log.ts'
import { AuditedWrites, hashAt, readHead } from './audited-writes.ts'
import { Database } from './database.ts'
import type { StoreState } from './database.ts'
import { createDialect } from './dialect.ts'
import type { DatabaseLocation } from './dialect.ts'
import { endInterruptedReports, Reports } from './reports.ts'
import { prune, removeExpired } from './retention.ts'
import type { Pruned } from './retention.ts'
import { RoleChanges } from './role-changes.ts'
import { verifyChain } from './verify-chain.ts'
import { Witness } from './witness.ts'

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
}

/** Everything durable. Disposed, it has written what was accepted and let go of the database. */
export type Store = AsyncDisposable & {
  readonly audit: AuditTrail
  readonly roleChanges: RoleChangeStore
  readonly reports: ReportStore
  readonly state: StoreState
  /** Asks the database. Rejects with `store-unavailable`. */
  ready(): Promise<void>
  /**
   * Removes what is older than a time; the trail's last entry, batches that still move, and those
   * with sunsets to come stay. The chain stays verifiable.
   */
  pruneAudit(olderThan: Date): Promise<Pruned>
}

/**
 * Opens the store without waiting for its database: connecting and migrating go on in the
 * background, with growing pauses, until they succeed or the store is disposed. Throws `invalid`
 * for a location that cannot be one.
 */
export function openStore(options: StoreOptions): Store {
  const { logger, now, onState, onVerified, openWaitMs } = options
  const dialect = createDialect(options.database, logger)
  const witness = new Witness({ path: options.witnessFile, logger })
  const database = new Database({
    dialect,
    logger,
    onState: (state) => onState?.(state),
    openWaitMs,
  })
  const writes = new AuditedWrites({ database, witness, now })
  const parts = { database, witness, writes, now }
  database.open(async (db) => {
    await witness.load()
    const head = await readHead(db)
    await witness.compare(head, (sequence) => hashAt(db, sequence))
    witness.advance(head)
    await endInterruptedReports(db, dialect.kind, now())
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
    get state() {
      return database.state
    },
    async ready() {
      await database.read(readHead)
    },
    pruneAudit: (olderThan) => prune(parts, olderThan.getTime()),
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]()
      await witness[Symbol.asyncDispose]()
    },
  }
}
