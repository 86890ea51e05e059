import { RebuildAudit } from '../worker/rebuild-audit.ts'
import { Rebuilder } from '../worker/rebuilder.ts'
import { RebuildSchedule } from '../worker/schedule.ts'
import { StartCheck } from '../worker/start-check.ts'
import { UnknownUsers } from '../worker/unknown-users.ts'
import type { ChangeWorkers } from './change-workers.ts'
import type { Parts } from './parts.ts'

/** What keeps the matrix true. */
export function createWorkers(
  parts: Parts & Pick<ChangeWorkers, 'writtenGrants'>,
  stack: AsyncDisposableStack,
) {
  const { config, logger, now, upstream, publisher, metrics, late, writtenGrants } = parts
  const startCheck = new StartCheck({
    directory: upstream,
    publisher,
    organizationId: config.genesys.organizationId,
    logger,
  })
  const unknownUsers = stack.use(
    new UnknownUsers({
      directory: upstream,
      workshop: upstream,
      publisher,
      writtenGrants,
      metrics,
      logger,
      now,
    }),
  )
  late.unknownUsers = unknownUsers
  late.startCheck = startCheck
  const audit = stack.use(new RebuildAudit({ trail: parts.store.audit, metrics, logger }))
  const rebuilder = stack.use(
    new Rebuilder({
      directory: upstream,
      workshop: upstream,
      publisher,
      maxShrinkPercent: config.rebuild.maxShrinkPercent,
      confirmOrganization: (signal) => startCheck.confirm(signal),
      subjectsReadSince: (time) => unknownUsers.readSince(time),
      writtenGrants,
      audit,
      metrics,
      logger,
      now,
      onEnded: (rebuild) => schedule.ended(rebuild),
    }),
  )
  const schedule = stack.use(
    new RebuildSchedule({
      cron: config.rebuild.cron,
      rebuilds: rebuilder,
      canServe: () => publisher.canServe,
      maxAgeSeconds: config.maxSnapshotAgeSeconds,
      logger,
    }),
  )
  const stop = async (): Promise<void> => {
    await schedule[Symbol.asyncDispose]()
    await rebuilder[Symbol.asyncDispose]()
  }
  return { startCheck, unknownUsers, rebuilder, schedule, stop }
}

export type Workers = ReturnType<typeof createWorkers>
