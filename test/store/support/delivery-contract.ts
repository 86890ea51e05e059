import { test } from 'tap'
import type { NewAuditEntry } from '../../../src/domain/audit.ts'
import { DELIVERY_LIFETIME_MS } from '../../../src/domain/delivery.ts'
import type { Delivery, EventTarget } from '../../../src/domain/delivery.ts'
import { batchOf, entry, openTestStore, oversized, START } from './store-under-test.ts'
import type { CreateDatabase } from './test-database.ts'

const eventTargets: readonly EventTarget[] = ['callback', 'monitoring']
const LEASE = { limit: 10, leaseMs: 30_000 }
const FAILED = { state: 'failed', pauseMs: 2_000, error: 'answered 500' } as const
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
      { target: 'callback', state: 'pending', attempts: 0, error: null },
    ])
    const [{ createdAt, dueAt, expiresAt } = { createdAt: 0, dueAt: 0, expiresAt: 0 }] = items
    t.same([dueAt, expiresAt], [createdAt, createdAt + DELIVERY_LIFETIME_MS])
  })

  test('a clock that was ahead once keeps no event waiting', async (t) => {
    const { store, clock } = openTestStore(t, await createDatabase(t), { eventTargets })
    clock.now = START + 30 * 60_000
    await store.audit.append([entry()])
    clock.now = START
    await store.audit.append([ended('b1')])
    const [due] = await store.deliveries.claim('callback', LEASE)
    if (!due) throw new Error('it waits for the time of the chain')
    t.match(bodyOf(due), { timestamp: '2026-03-01T10:30:00.000Z' }, 'that of its entry')
    t.equal(due.expiresAt - due.createdAt, DELIVERY_LIFETIME_MS)
  })

  test('of each subject one is taken at a time, in order, and by one instance only', async (t) => {
    const database = await createDatabase(t)
    const { store, clock } = openTestStore(t, database, { eventTargets: ['callback'] })
    const other = openTestStore(t, database, {
      clock,
      witnessFile: `${database.folder}/other.json`,
    })
    await Promise.all([store.ready(), other.store.ready()])
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
    t.equal(await store.deliveries.settle(first, { state: 'delivered' }), 'delivered')
    const failed = { state: 'failed', pauseMs: 20_000, error: 'no' } as const
    t.equal(await other.store.deliveries.settle(second, failed), 'pending')
    const [next] = await store.deliveries.claim('callback', LEASE)
    t.match(next && bodyOf(next), { state: '2' })
    t.same(await other.store.deliveries.claim('callback', LEASE), [])
    await database.passLeaseTime(20_000, clock)
    t.match(await store.deliveries.claim('callback', LEASE), [{ id: second.id, attempts: 2 }])
    t.match(await store.deliveries.counts(), {
      callback: { pending: 3, dead: 0 },
      monitoring: { pending: 0, dead: 0 },
    })
  })

  test('what a dead instance had in hand is taken again, and its late word does not count', async (t) => {
    const database = await createDatabase(t)
    const { store, clock } = openTestStore(t, database, { eventTargets: ['callback'] })
    const { deliveries } = store
    await store.audit.append([ended('a', '1'), ended('a', '2')])
    const [first] = await deliveries.claim('callback', LEASE)
    await database.passLeaseTime(LEASE.leaseMs / 2, clock)
    t.same(await deliveries.claim('callback', LEASE), [])
    await database.passLeaseTime(LEASE.leaseMs / 2, clock)
    const [again] = await deliveries.claim('callback', LEASE)
    t.equal(again?.id, first?.id)
    if (!first || !again) return
    t.equal(await deliveries.settle(first, FAILED), undefined)
    t.equal(await deliveries.settle(again, { state: 'delivered' }), 'delivered')
    t.equal(await deliveries.settle(again, { state: 'delivered' }), undefined, 'it has arrived')
    const { items } = await deliveries.list({ limit: 10, state: 'delivered' })
    t.match(items, [{ id: first.id, attempts: 2, error: null, finishedAt: Number }])
    await database.passLeaseTime(20_000, clock)
    t.equal(await deliveries.removeDelivered(60_000), 0)
    await database.passLeaseTime(60_000, clock)
    t.equal(await deliveries.removeDelivered(60_000), 1)
  })

  test('a clock that is set back leaves nothing in the hands of a sender that died', async (t) => {
    const database = await createDatabase(t)
    const { store, clock } = openTestStore(t, database, { eventTargets: ['callback'] })
    const { deliveries } = store
    await store.audit.append([ended('a', '1')])
    const [first] = await deliveries.claim('callback', LEASE)
    await database.passLeaseTime(-2 * 60 * 60_000, clock)
    t.match(await deliveries.claim('callback', LEASE), [{ id: first?.id, attempts: 2 }])
    t.same(await deliveries.claim('callback', LEASE), [], 'now it is in other hands')
  })

  test('a clock that is set back keeps nothing waiting after a kill', async (t) => {
    const database = await createDatabase(t)
    const dying = openTestStore(t, database, {
      clock: { now: START + 6 * 60 * 60_000 },
      eventTargets: ['callback'],
    })
    await dying.store.audit.append([ended('a'), ended('b')])
    const [first] = await dying.store.deliveries.claim('callback', { ...LEASE, limit: 1 })
    if (!first) throw new Error('nothing was claimed')
    await dying.store.deliveries.settle(first, FAILED)
    await dying.store.deliveries.claim('callback', LEASE)
    await dying.close()
    const { store, clock } = openTestStore(t, database, { witnessFile: dying.witnessFile })
    // A server has one clock for all, which goes on.
    if (database.location.kind === 'postgres') await database.passLeaseTime(60_000, clock)
    const taken = await store.deliveries.claim('callback', LEASE)
    t.match(taken, [{ subject: /a$/ }, { subject: /b$/ }])
  })

  test('what is asked for while it is sent is not given up by that attempt', async (t) => {
    const database = await createDatabase(t)
    const { store, clock } = openTestStore(t, database, { eventTargets: ['callback'] })
    const { deliveries } = store
    await store.audit.append([ended('a')])
    await database.passLeaseTime(DELIVERY_LIFETIME_MS, clock)
    const [claimed] = await deliveries.claim('callback', LEASE)
    if (!claimed) throw new Error('nothing was claimed')
    await deliveries.retry(claimed.id, [])
    t.equal(await deliveries.settle(claimed, FAILED), 'pending')
    t.match(await deliveries.list({ limit: 1 }), {
      items: [{ state: 'pending', error: FAILED.error }],
    })
  })

  test('what nobody has an address for is given up when its time is over', async (t) => {
    const database = await createDatabase(t)
    const { store, clock } = openTestStore(t, database, { eventTargets })
    const { deliveries } = store
    await store.audit.append([ended('a')])
    t.equal(await deliveries.giveUpOthers(['callback']), 0, 'its time has not come')
    await database.passLeaseTime(DELIVERY_LIFETIME_MS, clock)
    t.equal(await deliveries.giveUpOthers(eventTargets), 0)
    t.equal(await deliveries.giveUpOthers(['callback']), 1)
    t.match((await deliveries.list({ limit: 2, state: 'dead' })).items, [
      { target: 'monitoring', attempts: 0, error: 'no address is configured', finishedAt: Number },
    ])
    await deliveries.claim('callback', LEASE)
    t.equal(await deliveries.giveUpOthers([]), 0, 'another instance is sending it')
  })

  test('a dead letter lets the next one pass and is tried again when it is asked for', async (t) => {
    let queued = 0
    const database = await createDatabase(t)
    const { store, clock } = openTestStore(t, database, {
      eventTargets: ['callback'],
      onQueued: () => void (queued += 1),
    })
    const { deliveries } = store
    await store.audit.append([ended('a', '1'), ended('a', '2')])
    const [first] = await deliveries.claim('callback', LEASE)
    if (!first) throw new Error('nothing was claimed')
    t.equal(await deliveries.settle(first, FAILED), 'pending')
    await database.passLeaseTime(DELIVERY_LIFETIME_MS, clock)
    const [last] = await deliveries.claim('callback', LEASE)
    t.equal(last?.id, first.id, 'also the last attempt is made')
    t.equal(last && (await deliveries.settle(last, FAILED)), 'dead')
    t.match(await deliveries.counts(), { callback: { pending: 1, dead: 1 } })
    const [second] = await deliveries.claim('callback', LEASE)
    if (!second) throw new Error('nothing was claimed')
    await deliveries.settle(second, { state: 'delivered' })
    queued = 0
    const audit = [entry({ action: 'delivery_retried', subjectId: first.id })]
    await t.rejects(deliveries.retry(first.id, [oversized()]), { code: 'invalid' })
    t.match(await deliveries.list({ limit: 10, state: 'dead' }), { items: [{ id: first.id }] })
    const retried = await deliveries.retry(first.id, audit)
    t.match(retried, {
      id: first.id,
      state: 'pending',
      expiresAt: retried.dueAt + DELIVERY_LIFETIME_MS,
      finishedAt: null,
      error: FAILED.error,
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
