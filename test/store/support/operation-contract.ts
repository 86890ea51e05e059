import { test } from 'tap'
import { MAX_OPERATION_LEASE_MS } from '../../../src/domain/architecture-operation.ts'
import type { NewOperation, OperationEnd } from '../../../src/domain/architecture-operation.ts'
import { entry, openTestStore, oversized } from './store-under-test.ts'
import type { CreateDatabase } from './test-database.ts'

const LEASE = { owner: 'one', leaseMs: 30_000 }
const OTHER = { owner: 'two', leaseMs: 30_000 }
const DONE: OperationEnd = { state: 'succeeded', resultId: 'r1' }

function operation(parts: Partial<NewOperation> = {}): NewOperation {
  return {
    kind: 'environment',
    name: 'dev',
    payload: { name: 'dev', description: 'é\u0000' },
    requestedBy: 'anna',
    requestId: 'request-1',
    ...parts,
  }
}

function told(subjectId: string) {
  return [entry({ subjectId })]
}

function replacement(before: string[], after: string[], undoes?: string): NewOperation {
  const payload = { before, after }
  return operation({ kind: 'organization-allowlist', name: '', payload, undoes })
}

/** Operations on networks and environments, whichever database they are in. */
export function testOperations(createDatabase: CreateDatabase): void {
  test('an operation begins and ends with its entries, or not at all', async (t) => {
    const database = await createDatabase(t)
    const { store, clock } = openTestStore(t, database)
    const { operations } = store
    await t.rejects(
      operations.begin(operation(), LEASE, () => [oversized()]),
      { code: 'invalid' },
    )
    const begun = await operations.begin(operation(), LEASE, (subjectId) => [entry({ subjectId })])
    if (!begun) throw new Error('it was refused')
    const { id, startedAt } = begun
    t.same(begun, { ...operation(), id, startedAt, abandonedAt: null })
    await t.rejects(operations.end(begun.id, DONE, [oversized()]), { code: 'invalid' })
    await database.passLeaseTime(30_000, clock)
    t.equal(await operations.end(begun.id, DONE, [entry({ subjectId: begun.id })]), true)
    t.equal(await operations.end(begun.id, DONE, [entry({ subjectId: begun.id })]), false)
    const { items } = await store.audit.list({ subjectId: begun.id }, { limit: 9 })
    t.equal(items.length, 2, 'the end is told once')
    await database.passLeaseTime(30_000, clock)
    t.same(await operations.environmentsSince(clock.now - 60_000), [{ id: 'r1', name: 'dev' }])
    t.same(await operations.environmentsSince(clock.now - 10_000), [])
    await t.rejects(operations.end('unknown', DONE, []), { code: 'not-found' })
  })

  test('of environments, and of replacements, one is under way on all instances', async (t) => {
    const database = await createDatabase(t)
    const { store } = openTestStore(t, database)
    const other = openTestStore(t, database, { witnessFile: `${database.folder}/other.json` })
    for (const make of [() => operation(), () => replacement([], ['8.8.8.0/24'])]) {
      const begun = await Promise.all([
        store.operations.begin(make(), LEASE, () => []),
        other.store.operations.begin(make(), OTHER, () => []),
      ])
      const [only, ...more] = begun.filter((each) => each !== undefined)
      if (!only) throw new Error('both were refused')
      t.equal(more.length, 0)
      await store.operations.end(only.id, { state: 'failed', resultId: null }, [])
      t.ok(await other.store.operations.begin(make(), OTHER, () => []))
    }
    const lists = ['a', 'b'].map((name) => operation({ kind: 'ip-allowlist', name }))
    for (const each of lists) t.ok(await store.operations.begin(each, LEASE, () => []))
  })

  test('what another operation made already is recorded otherwise', async (t) => {
    const { store } = openTestStore(t, await createDatabase(t))
    const { operations } = store
    const list = operation({ kind: 'ip-allowlist' })
    const begin = async (next = list) => (await operations.begin(next, LEASE, () => []))?.id ?? ''
    const [first, second, third] = [await begin(), await begin(), await begin()]
    t.equal(await operations.ahead('ip-allowlist'), undefined)
    const claimed = {
      end: { state: 'unchanged', resultId: 'r1' },
      audit: told('claimed'),
    } as const
    t.equal(await operations.end(first, DONE, told('first'), claimed), true)
    t.equal(await operations.end(second, DONE, told('second'), claimed), true)
    const other = { ...DONE, resultId: 'r2' }
    t.equal(await operations.end(third, other, told('third'), claimed), true)
    const created = await begin(operation())
    t.match(await operations.ahead('environment'), { id: created, startedAt: Number })
    t.equal(await operations.end(created, DONE, told('of another kind'), claimed), true)
    const { items } = await store.audit.list({}, { limit: 9 })
    t.same(
      items.map(({ subjectId }) => subjectId),
      ['first', 'claimed', 'third', 'of another kind'],
    )
  })

  test('what is not renewed counts as abandoned and is taken by one', async (t) => {
    const database = await createDatabase(t)
    const { store, clock } = openTestStore(t, database)
    const { operations } = store
    const first = await operations.begin(operation(), LEASE, () => [])
    const second = await operations.begin(operation({ kind: 'ip-allowlist' }), LEASE, () => [])
    if (!first || !second) throw new Error('they were refused')
    await database.passLeaseTime(20_000, clock)
    await operations.renew([first.id, second.id], OTHER)
    await operations.renew([second.id], LEASE)
    await operations.renew([], LEASE)
    t.equal(await operations.claimAbandoned(OTHER), undefined)
    await database.passLeaseTime(10_000, clock)
    const found = await operations.claimAbandoned(OTHER)
    t.match(found, { ...first, startedAt: Number, abandonedAt: Number })
    t.ok(found && found.abandonedMs < 10_000)
    t.equal(await operations.claimAbandoned(LEASE), undefined, 'it is in other hands')
    await database.passLeaseTime(30_000, clock)
    t.match(await operations.claimAbandoned(LEASE), { id: second.id })
    const later = await operations.claimAbandoned(LEASE)
    t.equal(later?.id, first.id, 'it was looked at since')
    t.ok(later && later.abandonedMs >= 30_000 && later.abandonedMs < 40_000)
    await operations.end(first.id, { state: 'interrupted', resultId: null }, [])
    t.equal(await operations.end(first.id, { state: 'failed', resultId: null }, []), false)
    t.equal(await operations.end(first.id, DONE, []), true, 'who did it knows better')
  })

  test('what cannot be settled keeps nothing else waiting, and waits longer each time', async (t) => {
    const database = await createDatabase(t)
    const { store, clock } = openTestStore(t, database)
    const { operations } = store
    const begin = async (name: string) =>
      (await operations.begin(operation({ kind: 'ip-allowlist', name }), LEASE, () => []))?.id
    const claim = async () => (await operations.claimAbandoned(OTHER))?.id
    const first = await begin('a')
    await database.passLeaseTime(1_000, clock)
    const second = await begin('b')
    await database.passLeaseTime(30_000, clock)
    t.same([await claim(), await claim()], [first, second])
    await database.passLeaseTime(10 * 60_000, clock)
    t.same([await claim(), await claim(), await claim()], [first, second, undefined])
    await database.passLeaseTime(60_000, clock)
    const third = await begin('c')
    await database.passLeaseTime(30_000, clock)
    t.same([await claim(), await claim()], [third, undefined], 'the others wait for longer')
    await database.passLeaseTime(24 * 60 * 60_000, clock)
    t.equal(await claim(), third)
    t.same([await claim(), await claim()].toSorted(), [first, second].toSorted())
    t.equal(await claim(), undefined)
    await database.passLeaseTime(MAX_OPERATION_LEASE_MS, clock)
    t.ok(await claim(), 'there is an end to that')
  })

  test('a clock that is set back leaves nothing in the hands of a process that is gone', async (t) => {
    const database = await createDatabase(t)
    const { store, clock } = openTestStore(t, database)
    const { operations } = store
    const begun = await operations.begin(operation(), LEASE, () => [])
    await database.passLeaseTime(-60 * 60_000, clock)
    t.match(await operations.claimAbandoned(OTHER), { id: begun?.id, abandonedMs: Number })
    t.equal(await operations.claimAbandoned(OTHER), undefined, 'now it is in other hands')
  })

  test('the newest change of the organisation’s list that stands can be taken back', async (t) => {
    const { store } = openTestStore(t, await createDatabase(t))
    const { operations } = store
    const done = async (change: NewOperation, state: OperationEnd['state'] = 'succeeded') => {
      const begun = await operations.begin(change, LEASE, () => [])
      if (!begun) throw new Error('it was refused')
      await operations.end(begun.id, { state, resultId: begun.id }, [])
      return begun.id
    }
    t.equal(await operations.undoable(), undefined)
    const first = await done(replacement([], ['8.8.8.0/24']))
    const second = await done(replacement(['8.8.8.0/24'], ['9.9.9.0/24']))
    await done(replacement(['9.9.9.0/24'], []), 'failed')
    await done(replacement(['9.9.9.0/24'], ['9.9.9.0/24']), 'unchanged')
    t.same(await operations.undoable(), {
      id: second,
      before: ['8.8.8.0/24'],
      after: ['9.9.9.0/24'],
      requestedBy: 'anna',
      finishedAt: (await operations.undoable())?.finishedAt,
      visible: false,
    })
    await done(replacement(['9.9.9.0/24'], ['8.8.8.0/24'], second), 'failed')
    await done(replacement(['9.9.9.0/24'], ['8.8.8.0/24'], second), 'unchanged')
    t.equal((await operations.undoable())?.id, second)
    const late = await operations.organizationChangesSince(0)
    t.match(late, [
      { id: second, after: ['9.9.9.0/24'] },
      { id: first, before: [] },
    ])
    t.same(await operations.organizationChangesSince(Number.MAX_SAFE_INTEGER), [])
    await operations.markVisible(second)
    t.match(await operations.organizationChangesSince(0), [
      { id: second, before: ['8.8.8.0/24'], visible: true },
      { id: first, visible: false },
    ])
    await done(replacement(['9.9.9.0/24'], ['8.8.8.0/24'], second))
    t.equal((await operations.undoable())?.id, first)
    await done(replacement(['8.8.8.0/24'], [], first))
    t.equal(await operations.undoable(), undefined)
  })
}
