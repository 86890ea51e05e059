import { RefusedLogins } from '../http/refused-logins.ts'
import { AuditRetention } from '../worker/audit-retention.ts'
import { AuditVerifier } from '../worker/audit-verifier.ts'
import { systemClock } from '../worker/clock.ts'
import { ReportWriter } from '../worker/report-writer.ts'
import { RoleChangeRunner } from '../worker/role-change-runner.ts'
import type { RoleChangeRunnerOptions } from '../worker/role-change-runner.ts'
import { StartAudit } from '../worker/start-audit.ts'
import { SunsetSchedule } from '../worker/sunset-schedule.ts'
import { RecentlyWrittenGrants } from '../worker/written-grants.ts'
import type { Parts } from './parts.ts'
import { serviceVersion } from '../observability/version.ts'

export type ChangeOverrides = Pick<RoleChangeRunnerOptions, 'readBack' | 'onStep'> & {
  /** Least time between two publications of what was written. */
  readonly publicationPauseMs?: number
}

/** What carries out role changes, and what tells of them afterwards. */
export function createChangeWorkers(
  parts: Parts & { readonly overrides: ChangeOverrides | undefined },
  stack: AsyncDisposableStack,
) {
  const { config, logger, now, upstream, store, publisher, metrics, archive, late } = parts
  const { audit, roleChanges, reports: reportStore } = store
  const clock = { ...systemClock, now }
  const { publicationPauseMs: pauseMs, ...overrides } = parts.overrides ?? {}
  // A snapshot may be of another organisation until the platform has said who we are.
  const matrix = () => (late.startCheck?.passed ? publisher.held : undefined)
  const writtenGrants = stack.use(
    new RecentlyWrittenGrants({
      store: roleChanges,
      publisher,
      workshop: upstream,
      logger,
      clock,
      ...(pauseMs === undefined ? {} : { pauseMs }),
    }),
  )
  const shared = { store: roleChanges, matrix, metrics, logger, clock }
  const rules = config.roleRules
  const runner = stack.use(
    new RoleChangeRunner({
      ...shared,
      platform: upstream,
      rules,
      writtenGrants,
      ...overrides,
    }),
  )
  const sunsets = stack.use(new SunsetSchedule({ ...shared, onQueued: () => runner.wake() }))
  const reports = stack.use(
    new ReportWriter({
      audit,
      roleChanges,
      matrices: publisher,
      workshop: upstream,
      archive,
      rules,
      now,
      reports: reportStore,
      logger,
    }),
  )
  const retention = stack.use(
    new AuditRetention({
      days: config.auditRetentionDays,
      prune: (olderThan, signal) => store.pruneAudit(olderThan, signal),
      logger,
      now,
    }),
  )
  const startAudit = stack.use(
    new StartAudit({
      trail: audit,
      version: serviceVersion(),
      rules,
      retentionDays: config.auditRetentionDays,
      witness: () => store.witnessAtStart(),
      logger,
      clock,
    }),
  )
  const verifier = stack.use(new AuditVerifier({ trail: audit, metrics, logger, clock }))
  const refusedLogins = stack.use(new RefusedLogins({ audit, logger, now }))
  const begin = (): void => {
    startAudit.begin()
    void writtenGrants.refresh()
    runner.begin()
    sunsets.begin()
    retention.begin()
    verifier.begin()
  }
  const stop = async (): Promise<void> => {
    await sunsets[Symbol.asyncDispose]()
    await runner[Symbol.asyncDispose]()
  }
  return { runner, writtenGrants, reports, refusedLogins, begin, stop }
}

export type ChangeWorkers = ReturnType<typeof createChangeWorkers>
