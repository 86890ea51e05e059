import { join } from 'node:path'
import type { Config } from '../config.ts'
import { resolveRegion } from '../domain/region.ts'
import type { Logger } from '../observability/logger.ts'
import { createMetrics } from '../observability/metrics.ts'
import type { Metrics } from '../observability/metrics.ts'
import { MatrixArchive } from '../worker/matrix-archive.ts'
import { MatrixPublisher } from '../worker/matrix-publisher.ts'
import { SnapshotFolder } from '../worker/snapshot-folder.ts'
import type { StartCheck } from '../worker/start-check.ts'
import type { UnknownUsers } from '../worker/unknown-users.ts'

/** The matrices that are held, where they are kept, and what counts them. */
export type Held = {
  readonly metrics: Metrics
  readonly publisher: MatrixPublisher
  readonly snapshots: SnapshotFolder
  readonly archive: MatrixArchive
  /** Filled once the workers exist: metrics and role changes are older than they are. */
  readonly late: { unknownUsers?: UnknownUsers; startCheck?: StartCheck }
}

/** Opens DATA_DIR and takes up the newest sound snapshot. Throws `invalid` when it cannot be written. */
export async function openMatrices(
  config: Config,
  logger: Logger,
  now: () => number,
  stack: AsyncDisposableStack,
): Promise<Held> {
  const late: Held['late'] = {}
  const metrics = stack.use(
    createMetrics({
      matrix: () => publisher.held,
      ageSeconds: (matrix) => publisher.ageSeconds(matrix),
      unknownUsersQueued: () => late.unknownUsers?.queued ?? 0,
    }),
  )
  const { genesys } = config
  const kept = {
    origin: {
      region: genesys.baseUrl ?? resolveRegion(genesys.region) ?? genesys.region,
      clientId: genesys.clientId,
    },
    organizationId: genesys.organizationId,
    logger,
    now,
  }
  const snapshots = new SnapshotFolder({
    ...kept,
    path: config.dataDir,
    onWritten: (result) => metrics.snapshotWritten(result),
  })
  const archive = stack.use(
    new MatrixArchive({
      ...kept,
      path: join(config.dataDir, 'archive'),
      retentionDays: config.auditRetentionDays,
    }),
  )
  const publisher = new MatrixPublisher({
    maxAgeSeconds: config.maxSnapshotAgeSeconds,
    now,
    reserveRevision: (revision) => snapshots.reserveRevision(revision),
    onPublished: (matrix) => {
      snapshots.save(matrix)
      archive.offer(matrix)
    },
    onDiscarded: () => void snapshots.forget(),
  })
  await snapshots.open()
  stack.defer(() => snapshots.settled())
  const { matrix, lastRevision } = await snapshots.restore()
  publisher.restore(matrix, lastRevision)
  return { metrics, publisher, snapshots, archive, late }
}
