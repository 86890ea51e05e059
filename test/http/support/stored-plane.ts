import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { Matrix } from '../../../src/domain/matrix.ts'
import { DEFAULT_ROLE_RULES } from '../../../src/domain/role-rules.ts'
import type { MatrixWorkshop } from '../../../src/domain/directory.ts'
import { currentConflicts } from '../../../src/domain/list-conflicts.ts'
import { mergeSubjects } from '../../../src/domain/merge-subjects.ts'
import { writeSimulation } from '../../../src/domain/simulation-text.ts'
import type { AdminAppDeps } from '../../../src/http/admin/admin-app.ts'
import { createAuthenticator } from '../../../src/http/authenticator.ts'
import { ADMIN_SCOPES } from '../../../src/domain/principal.ts'
import { openStore } from '../../../src/store/store.ts'
import { MatrixArchive } from '../../../src/worker/matrix-archive.ts'
import { ReportWriter } from '../../../src/worker/report-writer.ts'
import { recordingLogger } from '../../support/recording-logger.ts'
import { FACTS, matrixOf, serve } from './organization.ts'
import { ADMIN_SECRET, bearer, key, READER_SECRET, startAdminPlane } from './planes.ts'

/** Callers whose rates are counted apart, for tests that ask more than one may in a second. */
const TESTERS = Array.from({ length: 40 }, (_, index) => `tester-secret-${index}-0123456789`)
let asked = 0
export const nextTester = () => bearer(TESTERS[asked++ % TESTERS.length] ?? '')

export const NOW = Date.parse('2026-11-21T12:30:00Z')

const workshop: Pick<MatrixWorkshop, 'simulate' | 'conflicts' | 'merge'> = {
  conflicts: async (buffer, rules, page) => currentConflicts(new Matrix(buffer), rules, page),
  merge: async (base, subjects) => mergeSubjects(base, subjects),
  simulate: async (base, question) => writeSimulation(new Matrix(base), question),
}

/** An admin plane on a SQLite store of its own, over the sample organisation at revision 7. */
export async function startStoredPlane(t: Test, overrides: Partial<AdminAppDeps> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'admin-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const { logger, lines } = recordingLogger()
  const clock = { now: NOW }
  const now = (): number => clock.now
  const database = { kind: 'sqlite' as const, path: join(folder, 'store.db') }
  const witnessFile = join(folder, 'audit-head.json')
  const store = openStore({ database, witnessFile, logger, now })
  t.teardown(() => store[Symbol.asyncDispose]())
  const archive = new MatrixArchive({
    path: join(folder, 'archive'),
    origin: { region: 'us-east-1', clientId: 'client' },
    organizationId: undefined,
    retentionDays: 0,
    logger,
    now,
  })
  t.teardown(() => archive[Symbol.asyncDispose]())
  const served = serve(matrixOf(FACTS, 7))
  const { audit, roleChanges } = store
  const sources = {
    audit,
    roleChanges,
    matrices: served,
    workshop,
    archive,
    rules: DEFAULT_ROLE_RULES,
    now,
  }
  const reports = new ReportWriter({ ...sources, reports: store.reports, logger })
  t.teardown(() => reports[Symbol.asyncDispose]())
  let woken = 0
  const plane = startAdminPlane(t, {
    matrices: served,
    audit,
    deliveries: store.deliveries,
    roleChanges,
    reports,
    reportStore: store.reports,
    workshop,
    rules: DEFAULT_ROLE_RULES,
    wake: () => void (woken += 1),
    now,
    auth: createAuthenticator({
      keys: [
        key('admin', ADMIN_SECRET, ADMIN_SCOPES),
        key('reader', READER_SECRET, ['admin:read']),
        ...TESTERS.map((secret, index) => key(`tester-${index}`, secret, ADMIN_SCOPES)),
      ],
    }),
    ...overrides,
  })
  const post = (url: string, payload?: unknown, headers: Record<string, string> = {}) => {
    const isText = typeof payload === 'string'
    return plane.app.inject({
      method: 'POST',
      url,
      headers: {
        ...bearer(ADMIN_SECRET),
        ...(payload === undefined
          ? {}
          : { 'content-type': isText ? 'text/csv' : 'application/json' }),
        ...headers,
      },
      ...(payload === undefined ? {} : { payload: isText ? payload : JSON.stringify(payload) }),
    })
  }
  const wokenTimes = (): number => woken
  return { ...plane, served, store, archive, reports, clock, folder, lines, post, wokenTimes }
}
