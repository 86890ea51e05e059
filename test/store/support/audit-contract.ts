import { createHash } from 'node:crypto'
import { test } from 'tap'
import { GENESIS_HASH } from '../../../src/domain/audit.ts'
import type { AuditEntry } from '../../../src/domain/audit.ts'
import { canonicalJson } from '../../../src/domain/canonical-json.ts'
import { entry, never, numbered, openTestStore, START } from './store-under-test.ts'
import type { CreateDatabase } from './test-database.ts'

function sequences(items: readonly AuditEntry[]): number[] {
  return items.map(({ sequence }) => sequence)
}

/** What the audit trail does, whichever database it is in. */
export function testAuditTrail(createDatabase: CreateDatabase): void {
  test('entries are chained by the hash of their canonical JSON', async (t) => {
    const { store } = openTestStore(t, await createDatabase(t))
    const given = entry({
      actor: 'änna "the" admin',
      userId: 'user-1',
      before: { b: [1.5, null], a: 'x' },
      details: { '€': 1e21, z: { y: true } },
    })
    const [first, second] = await store.audit.append([given, entry()])
    t.match(first, { ...given, sequence: 1, previousHash: GENESIS_HASH })
    t.equal(first?.time, '2026-03-01T10:00:00.000Z')
    if (first === undefined) throw new Error('nothing was appended')
    const { hash, ...rest } = first
    t.equal(createHash('sha256').update(canonicalJson(rest)).digest('hex'), hash)
    t.equal(second?.previousHash, hash)
    t.same(await store.audit.head(), { count: 2, hash: second?.hash })
    t.same((await store.audit.list({}, { limit: 10 })).items, [first, second])
  })

  test('an empty trail is intact', async (t) => {
    const { store } = openTestStore(t, await createDatabase(t))
    t.match(await store.audit.verify(never()), {
      intact: true,
      checked: 0,
      prunedThrough: 0,
      head: { count: 0, hash: GENESIS_HASH },
      broken: null,
    })
    t.same(await store.audit.append([]), [])
  })

  test('many appends at once, from two stores, make one chain without gaps', async (t) => {
    const database = await createDatabase(t)
    const one = openTestStore(t, database)
    const other = openTestStore(t, database, { witnessFile: `${database.folder}/other.json` })
    const appended = await Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        (index % 2 ? one : other).store.audit.append(numbered(1 + (index % 5))),
      ),
    )
    for (const entries of appended) {
      const first = entries[0]?.sequence ?? 0
      t.same(
        sequences(entries),
        entries.map((_, index) => first + index),
        'what was appended together stands together',
      )
    }
    const total = appended.flat().length
    t.equal(new Set(sequences(appended.flat())).size, total)
    for (const { store } of [one, other]) {
      t.match(await store.audit.verify(never()), { intact: true, checked: total })
    }
  })

  test('time stands still in the chain when the clock is set back', async (t) => {
    const { store, clock } = openTestStore(t, await createDatabase(t))
    await store.audit.append([entry()])
    clock.now = START - 60_000
    const [second] = await store.audit.append([entry()])
    t.equal(second?.time, '2026-03-01T10:00:00.000Z')
    t.same(second?.details, { clock: '2026-03-01T09:59:00.000Z' }, 'and what it said is told')
    clock.now = START - 1_000
    const [third] = await store.audit.append([entry()])
    t.same(third?.details, {}, 'clocks never agree to the second')
    t.match(await store.audit.verify(never()), { intact: true })
  })

  test('entries are found by time, actor, user, action, outcome and subject', async (t) => {
    const { store, clock } = openTestStore(t, await createDatabase(t))
    await store.audit.append([entry({ actor: 'boris', userId: 'user-1' })])
    clock.now += 1_000
    await store.audit.append([entry({ action: 'drift', actor: 'platform', subjectId: 'r1' })])
    clock.now += 1_000
    await store.audit.append([entry({ outcome: 'failed', userId: 'user-1' })])
    const found = async (filter: Parameters<typeof store.audit.list>[0]) =>
      sequences((await store.audit.list(filter, { limit: 10 })).items)
    t.same(await found({ actor: 'boris' }), [1])
    t.same(await found({ userId: 'user-1' }), [1, 3])
    t.same(await found({ userId: 'user-1', outcome: 'failed' }), [3])
    t.same(await found({ action: 'drift' }), [2])
    t.same(await found({ subjectId: 'r1' }), [2])
    t.same(await found({ from: '2026-03-01T10:00:01Z' }), [2, 3], 'from is inclusive')
    t.same(await found({ to: '2026-03-01T11:00:01+01:00' }), [1], 'to is exclusive')
    t.same(await found({ actor: "'; drop table audit_entries; --" }), [])
    await t.rejects(found({ from: 'yesterday' }), { code: 'invalid', field: 'from' })
    const streamed: AuditEntry[] = []
    for await (const each of store.audit.stream({ userId: 'user-1' })) streamed.push(each)
    t.same(sequences(streamed), [1, 3])
  })

  test('paging is stable in both directions', async (t) => {
    const { store } = openTestStore(t, await createDatabase(t))
    await store.audit.append(numbered(5))
    const first = await store.audit.list({}, { limit: 2 })
    t.same([sequences(first.items), first.next], [[1, 2], 2])
    const last = await store.audit.list({}, { limit: 3, after: 2 })
    t.same([sequences(last.items), last.next], [[3, 4, 5], undefined])
    const newest = await store.audit.list({}, { limit: 2, newestFirst: true })
    t.same([sequences(newest.items), newest.next], [[5, 4], 4])
    await store.audit.append(numbered(2))
    const older = await store.audit.list({}, { limit: 2, newestFirst: true, after: 4 })
    t.same(sequences(older.items), [3, 2], 'what came since moves nothing')
    for (const limit of [0, 1_001, 1.5]) {
      await t.rejects(store.audit.list({}, { limit }), { code: 'invalid', field: 'limit' })
    }
  })

  test('a stream tells of all entries up to the head at its beginning', async (t) => {
    const { store } = openTestStore(t, await createDatabase(t))
    await store.audit.append(numbered(600))
    const seen: number[] = []
    for await (const { sequence } of store.audit.stream({})) {
      if (sequence === 1) await store.audit.append(numbered(5))
      seen.push(sequence)
    }
    t.same(
      seen,
      Array.from({ length: 600 }, (_, index) => index + 1),
    )
  })

  test('text that no database holds is recorded all the same', async (t) => {
    const { store } = openTestStore(t, await createDatabase(t))
    const odd = 'a\0b\uD800c'
    const [recorded] = await store.audit.append([
      entry({ actor: odd, details: { [odd]: odd, emoji: '😀' } }),
    ])
    t.equal(recorded?.actor, 'a\uFFFDb\uFFFDc')
    t.same(recorded?.details, { 'a\0b\uFFFDc': 'a\0b\uFFFDc', emoji: '😀' })
    t.same((await store.audit.list({}, { limit: 1 })).items, [recorded])
    t.match(await store.audit.verify(never()), { intact: true })
  })

  test('an entry that is too large is refused and takes no other with it', async (t) => {
    const { store } = openTestStore(t, await createDatabase(t))
    const large = entry({ details: { text: 'x'.repeat(300_000) } })
    await t.rejects(store.audit.append([entry(), large]), { code: 'invalid' })
    await t.rejects(store.audit.append([entry({ before: Number.NaN })]), TypeError)
    await store.audit.append([entry({ details: { text: 'x'.repeat(250_000) } })])
    t.equal((await store.audit.head()).count, 1)
  })

  test('more than may wait for the database is refused at once', async (t) => {
    const { store } = openTestStore(t, await createDatabase(t))
    const accepted = store.audit.append(numbered(9_000))
    await t.rejects(store.audit.append(numbered(1_001)), { code: 'store-unavailable' })
    await accepted
    t.equal((await store.audit.head()).count, 9_000)
    await store.audit.append(numbered(1_001))
  })

  test('the database itself refuses to change or remove an entry', async (t) => {
    const database = await createDatabase(t)
    const { store } = openTestStore(t, database)
    await store.audit.append(numbered(3))
    const refused = /append-only/
    for (const sql of [
      `update audit_entries set actor = 'nobody' where sequence = 2`,
      `delete from audit_entries where sequence = 3`,
      `delete from audit_entries`,
      `update audit_head set count = 2`,
      `update audit_head set count = 4`,
      `update audit_head set hash = '${'ab'.repeat(32)}'`,
      `delete from audit_head`,
      `insert into audit_head (id, count, hash, time) values (1, 0, '', 0)`,
      `insert into audit_head (id, count, hash, time) values (2, 0, '', 0)`,
      `insert into audit_checkpoints (through, hash, pruned_at)
        select count, hash, 0 from audit_head`,
      `insert into audit_checkpoints (through, hash, pruned_at) values (5, '', 0)`,
      `insert into audit_checkpoints (through, hash, pruned_at) values (2, '${'ab'.repeat(32)}', 0)`,
      ...[3, 4, 5].map(
        (sequence) => `insert into audit_entries select ${sequence}, time, action, outcome, actor,
          request_id, user_id, subject_id, before, after, details, '', hash
          from audit_entries where sequence = 3`,
      ),
    ]) {
      await t.rejects(database.execute(sql), refused, sql)
    }
    await t.rejects(
      database.execute(
        database.location.kind === 'sqlite'
          ? `insert or replace into audit_entries select * from audit_entries where sequence = 1`
          : `truncate audit_entries`,
      ),
      refused,
    )
    await database.dropGuards()
    await t.rejects(
      database.execute(`insert into audit_head (id, count, hash, time) values (2, 0, '', 0)`),
      /check/i,
      'also where nothing guards it',
    )
    await store.audit.append([entry()])
    t.match(await store.audit.verify(never()), { intact: true, checked: 4 })
  })

  test('one verification serves all who ask; who aborts is let go', async (t) => {
    const { store } = openTestStore(t, await createDatabase(t))
    await store.audit.append(numbered(450))
    const controller = new AbortController()
    const [impatient, one, other] = [
      store.audit.verify(controller.signal),
      store.audit.verify(never()),
      store.audit.verify(never()),
    ]
    const reason = new Error('enough')
    controller.abort(reason)
    await t.rejects(impatient, reason)
    t.equal(await one, await other, 'the very same verification')
    t.match(await one, { intact: true, checked: 450 })
    await t.rejects(store.audit.verify(AbortSignal.abort(reason)), reason)
  })
}
