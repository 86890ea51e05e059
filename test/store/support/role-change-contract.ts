import { test } from 'tap'
import type { Claim } from '../../../src/domain/role-change-store.ts'
import type { RoleChangeStore } from '../../../src/domain/role-change-store.ts'
import { batchOf, entry, never, openTestStore, oversized, START } from './store-under-test.ts'
import type { CreateDatabase } from './test-database.ts'

const LEASE_MS = 30_000
const GRANT = { roleId: 'role-1', divisionId: '*' }
const audit = () => [entry({ action: 'role_changes_accepted' })]

async function acceptedId(
  { roleChanges }: { readonly roleChanges: RoleChangeStore },
  ...[userIds, parts]: Parameters<typeof batchOf>
): Promise<string> {
  const { batch } = await roleChanges.accept(batchOf(userIds, parts), audit)
  return batch.id
}

async function claimed(roleChanges: RoleChangeStore, owner = 'one'): Promise<Claim> {
  const claim = await roleChanges.claim(owner, LEASE_MS)
  if (claim === undefined) throw new Error('nothing was claimed')
  return claim
}

function idsOf(items: readonly { readonly id: string }[]): string[] {
  return items.map(({ id }) => id)
}

/** What becomes of batches, whichever database they are in. */
export function testRoleChanges(createDatabase: CreateDatabase): void {
  test('a batch is accepted with its items and its audit entries', async (t) => {
    const { store } = openTestStore(t, await createDatabase(t))
    const { roleChanges } = store
    const accepted = await roleChanges.accept(batchOf(['u2', 'u1'], { comment: 'a\0b' }), (id) => [
      entry({ action: 'role_changes_accepted', subjectId: id }),
    ])
    t.equal(accepted.created, true)
    const { batch } = accepted
    t.match(batch, {
      state: 'pending',
      requestedBy: 'anna',
      requestId: 'request-1',
      comment: 'a\uFFFDb',
      onFailure: 'stop',
      force: false,
      baseRevision: 7,
      stopRequested: false,
      forceRollback: false,
      createdAt: START,
      startedAt: null,
      finishedAt: null,
      error: null,
      counts: { pending: 2, applied: 0 },
    })
    t.same(await roleChanges.find(batch.id), batch)
    const { items } = await roleChanges.items(batch.id, { limit: 10 })
    t.match(items, [
      { position: 0, userId: 'u2', state: 'pending', step: 'none', found: null, conflicts: [] },
      { position: 1, userId: 'u1', before: [{ roleId: 'role-0', divisionId: 'home' }] },
    ])
    t.same(items[0]?.intent, { kind: 'delta', grant: [GRANT], revoke: [] })
    t.match((await store.audit.list({ subjectId: batch.id }, { limit: 5 })).items, [
      { sequence: 1 },
    ])
    await t.rejects(roleChanges.find('unknown'), { code: 'not-found' })
    await t.rejects(roleChanges.items('unknown', { limit: 1 }), { code: 'not-found' })
    await t.rejects(roleChanges.accept(batchOf(['u1', 'u1']), audit), { code: 'invalid' })
  })

  test('a batch of a thousand users is accepted whole', async (t) => {
    const { store } = openTestStore(t, await createDatabase(t))
    const users = Array.from({ length: 1_000 }, (_, index) => `user-${index}`)
    const id = await acceptedId(store, users)
    t.equal((await store.roleChanges.find(id)).counts.pending, 1_000)
    const page = await store.roleChanges.items(id, { limit: 600, after: 599 })
    t.match(page, { items: { length: 400 } })
    t.equal(page.next, undefined)
    t.equal((await store.roleChanges.items(id, { limit: 600 })).next, 599)
  })

  test('nothing is accepted whose audit entry is refused', async (t) => {
    const { store } = openTestStore(t, await createDatabase(t))
    const batch = batchOf(['u1'], { idempotency: { key: 'k', bodyHash: 'h' } })
    await t.rejects(
      store.roleChanges.accept(batch, () => [oversized()]),
      { code: 'invalid' },
    )
    t.same(await store.roleChanges.list({ limit: 10 }), { items: [] })
    t.equal(await store.roleChanges.findAccepted('anna', { key: 'k', bodyHash: 'h' }), undefined)
    t.equal((await store.audit.head()).count, 0)
  })

  test('the same key and body give the same batch, another body a conflict', async (t) => {
    const database = await createDatabase(t)
    const { store } = openTestStore(t, database)
    const other = openTestStore(t, database, { witnessFile: `${database.folder}/other.json` })
    const idempotency = { key: 'key-1', bodyHash: 'hash-1' }
    const batch = batchOf(['u1'], { idempotency })
    const answers = await Promise.all(
      [store, other.store, store, other.store].map((each) => each.roleChanges.accept(batch, audit)),
    )
    t.equal(answers.filter(({ created }) => created).length, 1, 'once, also by two services')
    t.equal(new Set(answers.map(({ batch: { id } }) => id)).size, 1)
    t.equal((await store.audit.head()).count, 1, 'and recorded once')
    const changed = { key: 'key-1', bodyHash: 'hash-2' }
    await t.rejects(store.roleChanges.accept(batchOf(['u1'], { idempotency: changed }), audit), {
      code: 'conflict',
    })
    await t.rejects(store.roleChanges.findAccepted('anna', changed), { code: 'conflict' })
    t.same(
      await store.roleChanges.findAccepted('anna', idempotency),
      await store.roleChanges.find(answers[0]?.batch.id ?? ''),
    )
    t.equal(await store.roleChanges.findAccepted('boris', idempotency), undefined)
    const boris = await store.roleChanges.accept({ ...batch, requestedBy: 'boris' }, audit)
    t.equal(boris.created, true, 'a key is its actor’s own')
  })

  test('batches are listed newest first, by state and by user', async (t) => {
    const { store } = openTestStore(t, await createDatabase(t))
    const { roleChanges } = store
    const ids = []
    for (const user of ['u1', 'u2', 'u1']) ids.push(await acceptedId(store, [user, 'u9']))
    const first = await roleChanges.list({ limit: 2 })
    t.same(idsOf(first.items), [ids[2], ids[1]])
    await acceptedId(store, ['u5'])
    const second = await roleChanges.list({ limit: 2, cursor: first.nextCursor })
    t.same([idsOf(second.items), second.nextCursor], [[ids[0]], undefined])
    t.same(idsOf((await roleChanges.list({ limit: 9, userId: 'u1' })).items), [ids[2], ids[0]])
    t.same((await roleChanges.list({ limit: 9, state: 'applying' })).items, [])
    t.equal((await roleChanges.list({ limit: 9, state: 'pending' })).items.length, 4)
    for (const cursor of ['', 'x', '12', Buffer.from('before 1 ').toString('base64url')]) {
      await t.rejects(roleChanges.list({ limit: 2, cursor }), { code: 'invalid', field: 'cursor' })
    }
  })

  test('a claim takes the oldest batch and shares no user with those before it', async (t) => {
    const { store } = openTestStore(t, await createDatabase(t))
    const { roleChanges } = store
    const a = await acceptedId(store, ['u1', 'u2'])
    const b = await acceptedId(store, ['u2', 'u3'])
    const c = await acceptedId(store, ['u3', 'u4'])
    const d = await acceptedId(store, ['u5'])
    const first = await claimed(roleChanges)
    t.match(first.batch, { id: a, state: 'applying', startedAt: START })
    t.equal((await claimed(roleChanges)).batch.id, d, 'b shares u2 with a, c shares u3 with b')
    t.equal(await roleChanges.claim('two', LEASE_MS), undefined)
    await roleChanges.record(first, { batch: { state: 'succeeded' }, audit: [] })
    t.equal((await claimed(roleChanges)).batch.id, b)
    t.equal(await roleChanges.claim('two', LEASE_MS), undefined, 'c waits for b')
    t.equal((await roleChanges.find(c)).state, 'pending')
  })

  test('a claim of small batches passes over big ones', async (t) => {
    const { store } = openTestStore(t, await createDatabase(t))
    const big = await acceptedId(store, ['u1', 'u2', 'u3'])
    const small = await acceptedId(store, ['u4', 'u5'])
    const waiting = await acceptedId(store, ['u3'])
    const claim = await store.roleChanges.claim('one', LEASE_MS, 2)
    t.equal(claim?.batch.id, small)
    t.equal(
      await store.roleChanges.claim('one', LEASE_MS, 2),
      undefined,
      'it waits for the big one',
    )
    t.equal((await claimed(store.roleChanges)).batch.id, big)
    t.equal((await store.roleChanges.find(waiting)).state, 'pending')
  })

  test('two services on one database claim no batch twice', async (t) => {
    const database = await createDatabase(t)
    const stores = ['one', 'two'].map(
      (name) =>
        openTestStore(t, database, { witnessFile: `${database.folder}/${name}.json` }).store,
    )
    const [store] = stores
    if (store === undefined) throw new Error('no store')
    // Users meet in pairs of batches: of each pair only one may be worked on.
    for (let index = 0; index < 12; index += 1) await acceptedId(store, [`u${index >> 1}`])
    const claims = await Promise.all(
      Array.from({ length: 24 }, async (_, index) =>
        stores[index % 2]?.roleChanges.claim(`owner-${index}`, LEASE_MS),
      ),
    )
    const taken = claims.filter((claim) => claim !== undefined)
    t.equal(taken.length, 6)
    t.equal(new Set(taken.map(({ batch }) => batch.id)).size, 6)
    const users = await Promise.all(
      taken.map(async ({ batch }) => {
        const { items } = await store.roleChanges.items(batch.id, { limit: 1 })
        return items[0]?.userId
      }),
    )
    t.equal(new Set(users).size, 6, 'no user is in two hands')
  })

  test('a lease that ran out lets another take over, and fences off the first', async (t) => {
    const database = await createDatabase(t)
    const clock = { now: START }
    const { store } = openTestStore(t, database, { clock })
    const witnessFile = `${database.folder}/other.json`
    const other = openTestStore(t, database, { clock, witnessFile }).store
    const id = await acceptedId(store, ['u1'])
    const first = await claimed(store.roleChanges)
    clock.now += LEASE_MS - 1
    t.equal(await other.roleChanges.claim('two', LEASE_MS), undefined)
    t.equal(await store.roleChanges.renew(first, LEASE_MS), true)
    clock.now += LEASE_MS - 1
    t.equal(await other.roleChanges.claim('two', LEASE_MS), undefined, 'it was renewed')
    clock.now += 1
    const second = await claimed(other.roleChanges, 'two')
    t.match(second.batch, { id, state: 'applying', startedAt: START })
    t.equal(await store.roleChanges.renew(first, LEASE_MS), false)
    const step = { item: { position: 0, patch: { state: 'applied' as const } }, audit: [entry()] }
    await t.rejects(store.roleChanges.record(first, step), { code: 'conflict' })
    await store.roleChanges.release(first)
    t.equal((await store.roleChanges.items(id, { limit: 1 })).items[0]?.state, 'pending')
    t.equal((await store.audit.head()).count, 1, 'nothing of the refused step was recorded')
    await other.roleChanges.record(second, step)
    t.equal((await store.roleChanges.find(id)).counts.applied, 1)
  })

  test('a batch that is given back goes to whoever comes next', async (t) => {
    const { store } = openTestStore(t, await createDatabase(t))
    const id = await acceptedId(store, ['u1'])
    const first = await claimed(store.roleChanges)
    await store.roleChanges.release(first)
    await t.rejects(store.roleChanges.record(first, { audit: [] }), { code: 'conflict' })
    t.equal(await store.roleChanges.renew(first, LEASE_MS), false)
    t.match((await claimed(store.roleChanges)).batch, { id, state: 'applying' })
  })

  test('a step is recorded with all its parts', async (t) => {
    const { store, clock } = openTestStore(t, await createDatabase(t))
    const id = await acceptedId(store, ['u1', 'u2'])
    const claim = await claimed(store.roleChanges)
    clock.now += 5
    const conflict = {
      rule: 'r',
      userId: 'u1',
      roleIds: ['role-1'],
      roleNames: ['Admin'],
      permissions: [],
      divisionId: null,
      status: 'new' as const,
      message: 'm',
    }
    const patch = {
      state: 'applied' as const,
      step: 'confirmed' as const,
      found: [GRANT],
      delta: { add: [GRANT], remove: [] },
      undo: { add: [], remove: [GRANT] },
      visible: true,
      conflicts: [conflict],
      error: { message: 'no', upstream: { status: 400, code: 'c', correlationId: 'x' } },
    }
    const answer = await store.roleChanges.record(claim, {
      item: { position: 0, patch },
      written: { userId: 'u1', add: [GRANT], remove: [] },
      audit: [entry({ subjectId: id })],
    })
    t.same(answer, { stopRequested: false })
    const { items } = await store.roleChanges.items(id, { limit: 1, state: 'applied' })
    t.match(items, [{ ...patch, updatedAt: START + 5 }])
    t.same(await store.roleChanges.writtenSince(START + 5), [
      { userId: 'u1', add: [GRANT], remove: [], writtenAt: START + 5 },
    ])
    t.same(await store.roleChanges.writtenSince(START + 6), [])
    await store.roleChanges.record(claim, {
      item: { position: 0, patch: { visible: false, error: null } },
      audit: [],
    })
    const [item] = (await store.roleChanges.items(id, { limit: 1 })).items
    t.match(item, { state: 'applied', visible: false, error: null, found: [GRANT] })
    await t.rejects(
      store.roleChanges.record(claim, { item: { position: 9, patch: {} }, audit: [] }),
      { code: 'not-found' },
    )
  })

  test('a step is recorded as a whole or not at all', async (t) => {
    const { store } = openTestStore(t, await createDatabase(t))
    const id = await acceptedId(store, ['u1'])
    const claim = await claimed(store.roleChanges)
    const sunset = { userId: 'u1', ...GRANT, until: '2026-04-01T00:00:00Z' }
    await t.rejects(
      store.roleChanges.record(claim, {
        item: { position: 0, patch: { state: 'applied' } },
        batch: { state: 'succeeded' },
        written: { userId: 'u1', add: [GRANT], remove: [] },
        sunsets: [sunset],
        audit: [entry(), oversized()],
      }),
      { code: 'invalid' },
    )
    t.match(await store.roleChanges.find(id), { state: 'applying', counts: { pending: 1 } })
    t.same(await store.roleChanges.writtenSince(0), [])
    t.same(await store.roleChanges.pendingSunsets({ limit: 1 }), [])
    t.equal((await store.audit.head()).count, 1)
    t.equal(await store.roleChanges.renew(claim, LEASE_MS), true, 'the claim goes on')
  })

  test('a final state ends batch and claim', async (t) => {
    const { store, clock } = openTestStore(t, await createDatabase(t))
    const id = await acceptedId(store, ['u1'])
    const claim = await claimed(store.roleChanges)
    clock.now += 9
    const error = { message: 'the platform said no' }
    await store.roleChanges.record(claim, { batch: { state: 'failed', error }, audit: [] })
    t.match(await store.roleChanges.find(id), { state: 'failed', finishedAt: START + 9, error })
    await t.rejects(store.roleChanges.record(claim, { audit: [] }), { code: 'conflict' })
    t.equal(await store.roleChanges.claim('one', LEASE_MS), undefined)
  })

  test('a state that queues the batch anew ends the claim too', async (t) => {
    const { store } = openTestStore(t, await createDatabase(t))
    const id = await acceptedId(store, ['u1'])
    const later = await acceptedId(store, ['u1'])
    const claim = await claimed(store.roleChanges)
    await store.roleChanges.record(claim, { batch: { state: 'rolling-back' }, audit: [] })
    t.match(await store.roleChanges.find(id), { state: 'rolling-back', finishedAt: null })
    const again = await claimed(store.roleChanges)
    t.match(again.batch, { id, state: 'rolling-back' }, 'before what was queued after it')
    await store.roleChanges.record(again, { batch: { state: 'rolled-back' }, audit: [] })
    t.equal((await claimed(store.roleChanges)).batch.id, later)
  })

  test('stop: at once where nobody works, else after the item in hand', async (t) => {
    const { store, clock } = openTestStore(t, await createDatabase(t))
    const { roleChanges } = store
    const waiting = await acceptedId(store, ['u1'])
    const stop = [entry({ action: 'role_changes_stop' })]
    t.match(await roleChanges.requestStop(waiting, stop), { state: 'stopped', finishedAt: START })
    t.match(await roleChanges.requestStop(waiting, stop), { state: 'stopped' })
    t.equal((await store.audit.head()).count, 2, 'asking twice changes and records nothing')
    t.equal(await roleChanges.claim('one', LEASE_MS), undefined)

    const held = await acceptedId(store, ['u2'])
    const claim = await claimed(roleChanges)
    t.match(await roleChanges.requestStop(held, stop), { state: 'applying', stopRequested: true })
    t.same(await roleChanges.record(claim, { audit: [] }), { stopRequested: true })
    await roleChanges.record(claim, { batch: { state: 'stopped' }, audit: [] })
    t.match(await roleChanges.find(held), { state: 'stopped', stopRequested: false })

    const interrupted = await acceptedId(store, ['u3'])
    await claimed(roleChanges)
    clock.now += LEASE_MS
    t.match(await roleChanges.requestStop(interrupted, stop), { state: 'stopped' })

    const ended = await acceptedId(store, ['u4'])
    await roleChanges.record(await claimed(roleChanges), {
      batch: { state: 'succeeded' },
      audit: [],
    })
    await t.rejects(roleChanges.requestStop(ended, stop), { code: 'conflict' })
    await t.rejects(roleChanges.requestStop('unknown', stop), { code: 'not-found' })
  })

  test('resume: a stopped batch is queued again, behind those that wait', async (t) => {
    const { store } = openTestStore(t, await createDatabase(t))
    const { roleChanges } = store
    const resume = [entry({ action: 'role_changes_resume' })]
    const id = await acceptedId(store, ['u1'])
    t.match(await roleChanges.resume(id, resume), { state: 'pending' }, 'it is queued already')
    await roleChanges.requestStop(id, [])
    const other = await acceptedId(store, ['u1'])
    t.match(await roleChanges.resume(id, resume), { state: 'pending', finishedAt: null })
    const claim = await claimed(roleChanges)
    t.equal(claim.batch.id, other)
    t.match(await roleChanges.resume(other, resume), { state: 'applying' }, 'it is under way')
    await roleChanges.requestStop(other, [])
    t.match(await roleChanges.resume(other, resume), { state: 'applying', stopRequested: false })
    await roleChanges.record(claim, { batch: { state: 'failed' }, audit: [] })
    await t.rejects(roleChanges.resume(other, resume), { code: 'conflict' })
    t.equal((await claimed(roleChanges)).batch.id, id)
  })

  test('rollback: only what is at rest and has applied something', async (t) => {
    const { store } = openTestStore(t, await createDatabase(t))
    const { roleChanges } = store
    const undo = [entry({ action: 'role_changes_rollback' })]
    const id = await acceptedId(store, ['u1'])
    const force = { force: true }
    await t.rejects(roleChanges.rollback(id, force, undo), { code: 'conflict' })
    const claim = await claimed(roleChanges)
    await t.rejects(roleChanges.rollback(id, force, undo), { code: 'conflict' })
    await roleChanges.record(claim, {
      item: { position: 0, patch: { state: 'applied', step: 'confirmed' } },
      batch: { state: 'succeeded' },
      audit: [],
    })
    const queued = await roleChanges.rollback(id, force, undo)
    t.match(queued, { state: 'rolling-back', forceRollback: true, finishedAt: null })
    t.match(await roleChanges.rollback(id, force, undo), { state: 'rolling-back' })
    t.equal((await store.audit.head()).count, 2, 'asking twice records nothing more')
    await t.rejects(roleChanges.requestStop(id, undo), { code: 'conflict' })
    const undoing = await claimed(roleChanges)
    await roleChanges.record(undoing, {
      item: { position: 0, patch: { state: 'rolled-back', step: 'undone' } },
      batch: { state: 'rolled-back' },
      audit: [],
    })
    t.match(await roleChanges.rollback(id, force, undo), { state: 'rolled-back' })
    const nothing = await acceptedId(store, ['u2'])
    await roleChanges.requestStop(nothing, [])
    await t.rejects(roleChanges.rollback(nothing, force, undo), { code: 'conflict' })
  })

  test('what may have been written before an interruption can be rolled back', async (t) => {
    const { store, clock } = openTestStore(t, await createDatabase(t))
    const id = await acceptedId(store, ['u1'])
    await store.roleChanges.record(await claimed(store.roleChanges), {
      item: { position: 0, patch: { state: 'applying', step: 'planned' } },
      audit: [],
    })
    clock.now += LEASE_MS
    await store.roleChanges.requestStop(id, [])
    t.match(await store.roleChanges.rollback(id, { force: false }, []), {
      state: 'rolling-back',
      forceRollback: false,
    })
  })

  test('the chain stays sound beside everything else that is recorded', async (t) => {
    const { store } = openTestStore(t, await createDatabase(t))
    for (let index = 0; index < 5; index += 1) {
      await acceptedId(store, [`u${index}`])
      const claim = await claimed(store.roleChanges)
      await Promise.all([
        store.audit.append([entry()]),
        store.roleChanges.record(claim, { audit: [entry(), entry()] }),
        store.audit.append([entry()]),
      ])
    }
    t.match(await store.audit.verify(never()), { intact: true, checked: 25 })
  })
}
