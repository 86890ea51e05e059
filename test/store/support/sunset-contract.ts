import { test } from 'tap'
import type { Test } from 'tap'
import type { Sunset } from '../../../src/domain/role-change-store.ts'
import { batchOf, entry, openTestStore, START } from './store-under-test.ts'
import type { StoreUnderTest } from './store-under-test.ts'
import type { CreateDatabase } from './test-database.ts'

const MINUTE_MS = 60_000
const LEASE_MS = 30_000

function grantOf(userId: string, roleId = 'role-1') {
  return { userId, roleId, divisionId: '*' }
}

async function startBatch({ store }: StoreUnderTest, users: string[], sunsetIds: string[] = []) {
  const accepted = await store.roleChanges.accept(batchOf(users, { sunsetIds }), () => [entry()])
  const claim = await store.roleChanges.claim('one', LEASE_MS)
  if (claim === undefined) throw new Error('nothing was claimed')
  return { id: accepted.batch.id, claim }
}

/** Users whose grants end after one minute, two, three … */
async function withSunsets(t: Test, createDatabase: CreateDatabase, users: string[]) {
  const opened = openTestStore(t, await createDatabase(t))
  const { id, claim } = await startBatch(opened, users)
  await opened.store.roleChanges.record(claim, {
    sunsets: users.map((user, index) => ({
      ...grantOf(user),
      until: new Date(START + (index + 1) * MINUTE_MS).toISOString(),
    })),
    batch: { state: 'succeeded' },
    audit: [entry({ action: 'sunset_scheduled' })],
  })
  return { ...opened, id }
}

function usersOf(sunsets: readonly Sunset[]): string[] {
  return sunsets.map(({ userId }) => userId)
}

/** Grants that end by themselves, whichever database they are in. */
export function testSunsets(createDatabase: CreateDatabase): void {
  test('a sunset is due from its time on', async (t) => {
    const { store, id } = await withSunsets(t, createDatabase, ['u1', 'u2', 'u3'])
    const { roleChanges } = store
    t.match(await roleChanges.pendingSunsets({ limit: 2 }), [
      {
        ...grantOf('u1'),
        until: '2026-03-01T10:01:00.000Z',
        batchId: id,
        requestedBy: 'anna',
        failures: 0,
      },
      { userId: 'u2' },
    ])
    t.same(usersOf(await roleChanges.pendingSunsets({ userId: 'u3', limit: 9 })), ['u3'])
    t.same(await roleChanges.dueSunsets(START + MINUTE_MS - 1, 9), [])
    t.same(usersOf(await roleChanges.dueSunsets(START + 2 * MINUTE_MS, 9)), ['u1', 'u2'])
    t.same(usersOf(await roleChanges.dueSunsets(START + 9 * MINUTE_MS, 1)), ['u1'])
  })

  test('a sunset in a batch’s hands is not due, and no second batch gets it', async (t) => {
    const opened = await withSunsets(t, createDatabase, ['u1', 'u2'])
    const { roleChanges } = opened.store
    const due = await roleChanges.dueSunsets(START + 9 * MINUTE_MS, 9)
    const ids = due.map(({ id }) => id)
    const { claim } = await startBatch(opened, ['u1', 'u2'], ids)
    t.same(await roleChanges.dueSunsets(START + 9 * MINUTE_MS, 9), [])
    await t.rejects(
      roleChanges.accept(batchOf(['u1'], { sunsetIds: ids.slice(0, 1) }), () => []),
      { code: 'conflict' },
    )
    t.equal((await roleChanges.list({ limit: 9 })).items.length, 2, 'and it is not accepted')
    for (const [position, state] of (['applied', 'unchanged'] as const).entries()) {
      await roleChanges.record(claim, { item: { position, patch: { state } }, audit: [] })
    }
    await roleChanges.record(claim, { batch: { state: 'succeeded' }, audit: [] })
    t.same(await roleChanges.pendingSunsets({ limit: 9 }), [], 'done')
    await t.rejects(
      roleChanges.accept(batchOf(['u1'], { sunsetIds: ids }), () => []),
      { code: 'conflict' },
      'nor can it be done again',
    )
  })

  test('a sunset that failed is due again after pauses that grow to an hour', async (t) => {
    const opened = await withSunsets(t, createDatabase, ['u1', 'u2'])
    const { clock } = opened
    const { roleChanges } = opened.store
    clock.now = START + 9 * MINUTE_MS
    const pauses: number[] = []
    for (let failures = 1; failures <= 8; failures += 1) {
      const due = await roleChanges.dueSunsets(clock.now, 9)
      const ids = due.map(({ id }) => id)
      const { claim } = await startBatch(opened, usersOf(due), ids)
      // The first user's item goes through, the second's never does.
      if (due.length === 2) {
        const item = { position: 0, patch: { state: 'applied' as const } }
        await roleChanges.record(claim, { item, audit: [] })
      }
      await roleChanges.record(claim, { batch: { state: 'failed' }, audit: [] })
      t.match(await roleChanges.pendingSunsets({ limit: 9 }), [{ userId: 'u2', failures }])
      const failedAt = clock.now
      while ((await roleChanges.dueSunsets(clock.now, 9)).length === 0) clock.now += MINUTE_MS
      pauses.push((clock.now - failedAt) / MINUTE_MS)
    }
    t.same(pauses, [1, 2, 4, 8, 16, 32, 60, 60])
  })

  test('a batch that is stopped before it began lets go of its sunsets', async (t) => {
    const { store, clock } = await withSunsets(t, createDatabase, ['u1'])
    const { roleChanges } = store
    clock.now = START + 9 * MINUTE_MS
    const [sunset] = await roleChanges.dueSunsets(clock.now, 9)
    const batch = batchOf(['u1'], { sunsetIds: [sunset?.id ?? ''] })
    const accepted = await roleChanges.accept(batch, () => [])
    await roleChanges.requestStop(accepted.batch.id, [])
    t.same(await roleChanges.dueSunsets(clock.now, 9), [])
    t.same(usersOf(await roleChanges.dueSunsets(clock.now + MINUTE_MS, 9)), ['u1'])
  })

  test('a later time replaces a sunset, also one that is being carried out', async (t) => {
    const opened = await withSunsets(t, createDatabase, ['u1', 'u2'])
    const { roleChanges } = opened.store
    const [first] = await roleChanges.dueSunsets(START + MINUTE_MS, 1)
    const carrying = await startBatch(opened, ['u1'], [first?.id ?? ''])
    const until = '2026-05-01T00:00:00.000Z'
    await roleChanges.record(carrying.claim, {
      item: { position: 0, patch: { state: 'applied' } },
      sunsets: [{ ...grantOf('u1'), until }],
      cancelSunsets: [grantOf('u2'), grantOf('u2', 'role-9')],
      audit: [],
    })
    await roleChanges.record(carrying.claim, { batch: { state: 'succeeded' }, audit: [] })
    const left = await roleChanges.pendingSunsets({ limit: 9 })
    t.match(left, [{ userId: 'u1', until, batchId: carrying.id }])
    t.not(left[0]?.id, first?.id)
  })

  test('a sunset without a time is refused with the whole step', async (t) => {
    const opened = await withSunsets(t, createDatabase, ['u1'])
    const { claim } = await startBatch(opened, ['u1'])
    const sunsets = [{ ...grantOf('u1'), until: 'soon' }]
    await t.rejects(opened.store.roleChanges.record(claim, { sunsets, audit: [] }), {
      code: 'invalid',
    })
    t.match(await opened.store.roleChanges.pendingSunsets({ limit: 9 }), [
      { until: '2026-03-01T10:01:00.000Z' },
    ])
  })
}
