import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { AuditEntry, AuditFilter } from '../../../src/domain/audit.ts'
import { buildMatrix } from '../../../src/domain/build-matrix.ts'
import type { Facts, Grant, RoleFact, SubjectFact } from '../../../src/domain/facts.ts'
import { mergeSubjects } from '../../../src/domain/merge-subjects.ts'
import { subjectFacts } from '../../../src/domain/matrix-facts.ts'
import type { NewBatch } from '../../../src/domain/role-change-store.ts'
import type {
  BatchState,
  GrantIntent,
  ItemState,
  RoleChangeBatch,
  RoleChangeItem,
} from '../../../src/domain/role-change.ts'
import { DEFAULT_ROLE_RULES } from '../../../src/domain/role-rules.ts'
import { openStore } from '../../../src/store/store.ts'
import type { Store } from '../../../src/store/store.ts'
import { MatrixPublisher } from '../../../src/worker/matrix-publisher.ts'
import { RoleChangeRunner } from '../../../src/worker/role-change-runner.ts'
import type { RoleChangeRunnerOptions } from '../../../src/worker/role-change-runner.ts'
import { RecentlyWrittenGrants } from '../../../src/worker/written-grants.ts'
import { recordingLogger } from '../../support/recording-logger.ts'
import { SALES, smallFacts, user } from '../../support/small-facts.ts'
import { KeepingPlatform } from './keeping-platform.ts'
import { ManualTime, until } from './manual-time.ts'

export const NORTH = 'd0000000-0000-4000-8000-000000000002'
/** By ascending id, as a matrix has them. */
export const ROLES = {
  employee: 'e0000000-0000-4000-8000-000000000011',
  reader: 'e0000000-0000-4000-8000-000000000012',
  writer: 'e0000000-0000-4000-8000-000000000013',
  agent: 'e0000000-0000-4000-8000-000000000014',
  supervisor: 'e0000000-0000-4000-8000-000000000015',
} as const
type RoleName = keyof typeof ROLES

export function grant(role: RoleName, divisionId = SALES): Grant {
  return { roleId: ROLES[role], divisionId }
}

/** Users 1, 2, 3 … of the world; each holds the employee role and `reader`. */
export function userId(number: number): string {
  return `b0000000-0000-4000-8000-0000000001${String(number).padStart(2, '0')}`
}

export const HELD = [grant('employee'), grant('reader')]

export function worldFacts(more: Partial<Facts> = {}): Facts {
  const roles = Object.entries(ROLES).map(([name, id]): RoleFact => ({
    id,
    name,
    defaultRoleId: name === 'employee' ? 'employee' : '',
    licences: [],
    permissions: [`${name}_permission`],
    policies: [],
  }))
  return smallFacts({
    subjects: Array.from({ length: 9 }, (_, i) => user(userId(i + 1), { grants: HELD })),
    divisions: [
      { id: SALES, name: 'Sales', home: true },
      { id: NORTH, name: 'North', home: false },
    ],
    roles,
    ...more,
  })
}

export const workshop = {
  merge: async (base: SharedArrayBuffer, subjects: readonly SubjectFact[]) =>
    mergeSubjects(base, subjects),
}

export function granting(...grants: Grant[]): GrantIntent {
  return { kind: 'delta', grant: grants, revoke: [] }
}

export function revoking(...grants: Grant[]): GrantIntent {
  return { kind: 'delta', grant: [], revoke: grants }
}

export function newBatch(intents: readonly GrantIntent[], more: Partial<NewBatch> = {}): NewBatch {
  return {
    requestedBy: 'anna',
    requestId: 'request-1',
    comment: '',
    onFailure: 'stop',
    force: false,
    baseRevision: 1,
    items: intents.map((intent, i) => ({ userId: userId(i + 1), intent, before: HELD })),
    ...more,
  }
}

export type ChangeWorld = Awaited<ReturnType<typeof openWorld>>

/** A store on disk, a published matrix and a platform with the same grants; time stands still. */
export async function openWorld(t: Test, facts: Facts = worldFacts()) {
  const folder = await mkdtemp(join(tmpdir(), 'role-changes-'))
  const { logger, lines } = recordingLogger()
  const time = new ManualTime()
  const disposables = new AsyncDisposableStack()
  const store = disposables.use(
    openStore({
      database: { kind: 'sqlite', path: join(folder, 'store.sqlite') },
      witnessFile: join(folder, 'audit-head.json'),
      logger,
      now: () => time.now(),
    }),
  )
  t.teardown(async () => {
    await disposables.disposeAsync()
    await rm(folder, { recursive: true, force: true })
  })
  const publisher = new MatrixPublisher({
    maxAgeSeconds: 3_600,
    now: () => time.now(),
    monotonicNow: () => time.elapsed(),
    reserveRevision: async () => undefined,
    onPublished: () => undefined,
  })
  await publisher.publish(async () => buildMatrix(facts))
  const platform = new KeepingPlatform(facts.subjects.map(({ id, grants }) => [id, grants]))
  const writtenGrants = disposables.use(
    new RecentlyWrittenGrants({
      store: store.roleChanges,
      publisher,
      workshop,
      logger,
      clock: time,
      pauseMs: 0,
    }),
  )
  const runners: RoleChangeRunner[] = []
  return { runners, store, time, publisher, platform, writtenGrants, logger, lines, disposables }
}

type Counted = { readonly batches: string[]; readonly items: ItemState[]; inHand: number }

/** A runner over the world; the world lets go of it first. */
export function openRunner(world: ChangeWorld, more: Partial<RoleChangeRunnerOptions> = {}) {
  const { store, time, publisher, platform, writtenGrants, logger, disposables } = world
  const counted: Counted = { batches: [], items: [], inHand: 0 }
  const runner = disposables.use(
    new RoleChangeRunner({
      store: store.roleChanges,
      platform,
      matrix: () => publisher.held,
      rules: DEFAULT_ROLE_RULES,
      writtenGrants,
      metrics: {
        roleChangeBatchEnded: (state) => counted.batches.push(state),
        roleChangeItemEnded: (state) => counted.items.push(state),
        roleChangesInHand: (count) => {
          counted.inHand = count
        },
      },
      logger,
      clock: time,
      ...more,
    }),
  )
  runner.begin()
  world.runners.push(runner)
  return { runner, counted }
}

/** Accepts a batch and wakes the world's runners. */
export async function accept(world: ChangeWorld, batch: NewBatch): Promise<RoleChangeBatch> {
  const accepted = await world.store.roleChanges.accept(batch, () => [])
  for (const runner of world.runners) runner.wake()
  return accepted.batch
}

/** Resolves with the batch once it is in the state. */
export async function inState(
  { store }: { readonly store: Store },
  id: string,
  state: BatchState,
): Promise<RoleChangeBatch> {
  let batch = await store.roleChanges.find(id)
  await until(async () => {
    batch = await store.roleChanges.find(id)
    return batch.state === state
  }, `${state} of a batch`)
  return batch
}

export async function itemsOf({ store }: ChangeWorld, id: string): Promise<RoleChangeItem[]> {
  return [...(await store.roleChanges.items(id, { limit: 1_000 })).items]
}

export async function trail({ store }: ChangeWorld, filter: AuditFilter): Promise<AuditEntry[]> {
  return [...(await store.audit.list(filter, { limit: 1_000 })).items]
}

/** Direct grants as the served matrix has them. */
export function served({ publisher }: ChangeWorld, id: string): readonly Grant[] {
  const [subject] = subjectFacts(publisher.current(), [id])
  return subject?.grants ?? []
}
