import { test } from 'tap'
import type { NewAuditEntry } from '../../../src/domain/audit.ts'
import { DELIVERY_LIFETIME_MS } from '../../../src/domain/delivery.ts'
import type { Delivery, EventTarget } from '../../../src/domain/delivery.ts'
import { batchOf, entry, openTestStore, oversized, START } from './store-under-test.ts'
import type { CreateDatabase } from './test-database.ts'

const eventTargets: readonly EventTarget[] = ['callback', 'monitoring']
const LEASE = { limit: 10, leaseMs: 30_000 }
const TIME = '2026-03-01T10:00:00.000Z'

function ended(batchId: string, state = 'succeeded'): NewAuditEntry {
  return entry({ action: 'role_changes_ended', subjectId: batchId, details: { state } })
}

function bodyOf({ body }: Delivery): Record<string, unknown> {
  return JSON.parse(body) as Record<string, unknown>
}

/** The outbox, whichever database it is in. */
export function testDeliveries(createDatabase: CreateDatabase): void {
  test('what is announced is queued with its entry, and only for targets with an address', async (t) => {
    const database = await createDatabase(t)
    let queued = 0
    const onQueued = (): void => void (queued += 1)
    const { store, close } = openTestStore(t, database, { eventTargets, onQueued })
    await store.audit.append([
      entry(),
      entry({
        action: 'ip_allowlist_create',
        after: { id: 'a1', name: 'Office' },
        details: { operation: 'CREATE', resultId: 'a1', latencyMs: 12, entryCount: 2 },
      }),
      entry({ action: 'ip_allowlist_create', outcome: 'unchanged', details: {} }),
      entry({ action: 'environment_create', outcome: 'failed', details: {} }),
      entry({
        action: 'environment_create',
        details: { environment_id: 'e1', environment_name: 'dev', latency_ms: 7 },
      }),
      ended('b1', 'rolled-back'),
      entry({ action: 'role_changes_rollback', outcome: 'started', subjectId: 'b1' }),
      entry({
        action: 'drift',
        actor: 'platform',
        subjectId: 'r1',
        after: { revision: 8 },
        details: { total: 3, counts: { users: 3 } },
      }),
      entry({
        action: 'audit_verification',
        outcome: 'failed',
        details: { sequence: 4, reason: 'edited' },
      }),
    ])
    t.equal(queued, 1)
    const { items } = await store.deliveries.list({ limit: 100 })
    const of = (target: EventTarget) => items.toReversed().filter((each) => each.target === target)
    const shared = [
      { event: 'role_changes.rolled_back', batchId: 'b1', state: 'rolled-back' },
      { event: 'role_changes.rollback_started', batchId: 'b1', requestedBy: 'anna' },
      { event: 'drift.detected', rebuildId: 'r1', revision: 8, total: 3, counts: { users: 3 } },
      { event: 'audit.chain_broken', sequence: 4, reason: 'edited' },
    ]
    t.match(of('callback').map(bodyOf), [
      {
        event: 'ALLOWLIST_CREATED',
        allowlistId: 'a1',
        name: 'Office',
        entryCount: 2,
        latencyMs: 12,
        timestamp: TIME,
      },
      ...shared,
    ])
    t.match(of('monitoring').map(bodyOf), [
      {
        event: 'environment.created',
        environment_id: 'e1',
        environment_name: 'dev',
        latency_ms: 7,
        timestamp: TIME,
      },
      ...shared,
    ])
    t.equal(items.length, 10)
    await close()
    const quiet = openTestStore(t, database, { eventTargets: ['callback'] })
    await quiet.store.audit.append([ended('b2')])
    const later = await quiet.store.deliveries.list({ limit: 1_000 })
    t.equal(later.items.length, 11)
  })

  test('what is not recorded is not announced, and a batch’s end is', async (t) => {
    const { store } = openTestStore(t, await createDatabase(t), { eventTargets })
    await t.rejects(store.audit.append([ended('b1'), oversized()]), { code: 'invalid' })
    t.same((await store.deliveries.list({ limit: 10 })).items, [])
    const { batch } = await store.roleChanges.accept(batchOf(['u1']), () => [])
    const claim = await store.roleChanges.claim('me', 1_000)
    if (!claim) throw new Error('nothing was claimed')
    await store.roleChanges.record(claim, {
      batch: { state: 'succeeded' },
      audit: [ended(batch.id)],
    })
    const { items } = await store.deliveries.list({ limit: 10 })
    t.match(items, [
      { target: 'monitoring', event: 'role_changes.ended', subject: `role-changes ${batch.id}` },
      { target: 'callback', state: 'pending', attempts: 0, createdAt: START },
    ])
  })

  test('of each subject one is taken at a time, in order, and by one instance only', async (t) => {
    const database = await createDatabase(t)
    const { store, clock } = openTestStore(t, database, { eventTargets: ['callback'] })
    const other = openTestStore(t, database, {
      clock,
      witnessFile: `${database.folder}/other.json`,
    })
    await store.audit.append([ended('a', '1'), ended('a', '2'), ended('b', '1'), ended('a', '3')])
    const taken = await Promise.all([
      store.deliveries.claim('callback', LEASE),
      other.store.deliveries.claim('callback', LEASE),
    ])
    const [first, second] = taken.flat()
    t.match([first, second], [{ subject: 'role-changes a', attempts: 1 }, { subject: /b$/ }])
    t.equal(taken.flat().length, 2)
    t.same(await store.deliveries.claim('monitoring', LEASE), [])
    if (!first || !second) return
    t.equal(await store.deliveries.settle(first, { state: 'delivered' }), true)
    const dueAt = clock.now + 5_000
    await other.store.deliveries.settle(second, { state: 'pending', dueAt, error: 'no' })
    const [next] = await store.deliveries.claim('callback', LEASE)
    t.match(next && bodyOf(next), { state: '2' })
    t.same(await other.store.deliveries.claim('callback', LEASE), [])
    clock.now += 5_000
    t.match(await store.deliveries.claim('callback', LEASE), [{ id: second.id, attempts: 2 }])
    t.match(await store.deliveries.counts(), {
      callback: { pending: 3, dead: 0 },
      monitoring: { pending: 0, dead: 0 },
    })
  })

  test('what a dead instance had in hand is taken again, and its late word does not count', async (t) => {
    const { store, clock } = openTestStore(t, await createDatabase(t), {
      eventTargets: ['callback'],
    })
    const { deliveries } = store
    await store.audit.append([ended('a', '1'), ended('a', '2')])
    const [first] = await deliveries.claim('callback', LEASE)
    clock.now += LEASE.leaseMs - 1
    t.same(await deliveries.claim('callback', LEASE), [])
    clock.now += 1
    const [again] = await deliveries.claim('callback', LEASE)
    t.equal(again?.id, first?.id)
    if (!first || !again) return
    t.equal(await deliveries.settle(first, { state: 'dead', error: 'late' }), false)
    t.equal(await deliveries.settle(again, { state: 'delivered' }), true)
    t.equal(await deliveries.settle(again, { state: 'delivered' }), false, 'it has arrived')
    const { items } = await deliveries.list({ limit: 10, state: 'delivered' })
    t.match(items, [{ id: first.id, attempts: 2, error: null, finishedAt: clock.now }])
    t.equal(await deliveries.removeDelivered(clock.now), 0)
    t.equal(await deliveries.removeDelivered(clock.now + 1), 1)
  })

  test('a dead letter lets the next one pass and is tried again when it is asked for', async (t) => {
    let queued = 0
    const { store, clock } = openTestStore(t, await createDatabase(t), {
      eventTargets: ['callback'],
      onQueued: () => void (queued += 1),
    })
    const { deliveries } = store
    await store.audit.append([ended('a', '1'), ended('a', '2')])
    const [first] = await deliveries.claim('callback', LEASE)
    if (!first) throw new Error('nothing was claimed')
    await deliveries.settle(first, { state: 'dead', error: 'answered 500' })
    t.match(await deliveries.counts(), { callback: { pending: 1, dead: 1 } })
    const [second] = await deliveries.claim('callback', LEASE)
    if (!second) throw new Error('nothing was claimed')
    await deliveries.settle(second, { state: 'delivered' })
    clock.now += 60_000
    queued = 0
    const audit = [entry({ action: 'delivery_retried', subjectId: first.id })]
    await t.rejects(deliveries.retry(first.id, [oversized()]), { code: 'invalid' })
    t.match(await deliveries.list({ limit: 10, state: 'dead' }), { items: [{ id: first.id }] })
    t.match(await deliveries.retry(first.id, audit), {
      id: first.id,
      state: 'pending',
      dueAt: clock.now,
      expiresAt: clock.now + DELIVERY_LIFETIME_MS,
      finishedAt: null,
      error: 'answered 500',
    })
    t.equal(queued, 1)
    t.match((await store.audit.list({ subjectId: first.id }, { limit: 5 })).items, { length: 1 })
    const [again] = await deliveries.claim('callback', LEASE)
    t.equal(again?.body, first.body, 'the same bytes')
    await t.rejects(deliveries.retry(second.id, []), { code: 'conflict' })
    await t.rejects(deliveries.retry('unknown', []), { code: 'not-found' })
  })

  test('deliveries are listed in pages, newest first', async (t) => {
    const { store } = openTestStore(t, await createDatabase(t), { eventTargets: ['callback'] })
    await store.audit.append(['1', '2', '3'].map((state) => ended('a', state)))
    const first = await store.deliveries.list({ limit: 2 })
    t.same(
      first.items.map((each) => bodyOf(each)['state']),
      ['3', '2'],
    )
    const rest = await store.deliveries.list({ limit: 2, cursor: first.nextCursor })
    t.same(
      rest.items.map((each) => bodyOf(each)['state']),
      ['1'],
    )
    t.equal(rest.nextCursor, undefined)
    await t.rejects(store.deliveries.list({ limit: 2, cursor: 'x' }), { code: 'invalid' })
  })
}
