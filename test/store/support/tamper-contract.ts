import { createHash } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { test } from 'tap'
import type { Test } from 'tap'
import { entry, never, numbered, openTestStore, START } from './store-under-test.ts'
import { canonicalJson } from '../../../src/domain/canonical-json.ts'
import type { StoreUnderTest } from './store-under-test.ts'
import type { CreateDatabase, TestDatabase } from './test-database.ts'

type Tampering = {
  readonly what: string
  readonly sql: (trail: StoreUnderTest) => readonly string[] | Promise<readonly string[]>
  /** The entry that is to be named. */
  readonly sequence: number
  readonly reason: RegExp
}

/** A chain of ten entries is tampered with; each way must be found out. */
const TAMPERINGS: readonly Tampering[] = [
  {
    what: 'edited content',
    sql: () => [`update audit_entries set actor = 'nobody' where sequence = 4`],
    sequence: 4,
    reason: /content or hash/,
  },
  {
    what: 'an edited time',
    sql: () => [`update audit_entries set time = time + 1 where sequence = 6`],
    sequence: 6,
    reason: /content or hash/,
  },
  {
    what: 'an edited hash',
    sql: () => [`update audit_entries set hash = '${'ab'.repeat(32)}' where sequence = 5`],
    sequence: 5,
    reason: /content or hash/,
  },
  {
    what: 'a structured part that is no JSON',
    sql: () => [`update audit_entries set after = '{' where sequence = 1`],
    sequence: 1,
    reason: /cannot be read/,
  },
  {
    what: 'an entry rewritten together with its hash',
    sql: async ({ store }) => [forged(await entryAt(store, 4))],
    sequence: 4,
    reason: /next one follows on/,
  },
  {
    what: 'the last entry rewritten together with its hash',
    sql: async ({ store }) => [forged(await entryAt(store, 10))],
    sequence: 10,
    reason: /head row/,
  },
  {
    what: 'the last entry and the head row rewritten',
    sql: async ({ store }) => {
      const update = forged(await entryAt(store, 10))
      const head = `update audit_head set hash = (select hash from audit_entries where sequence = 10)`
      return [update, head]
    },
    sequence: 10,
    reason: /witness/,
  },
  {
    what: 'an entry deleted in the middle',
    sql: () => [`delete from audit_entries where sequence = 7`],
    sequence: 7,
    reason: /missing/,
  },
  {
    what: 'an entry deleted and the others moved up',
    sql: () => [
      `delete from audit_entries where sequence = 7`,
      ...[8, 9, 10].map(
        (n) => `update audit_entries set sequence = ${n - 1} where sequence = ${n}`,
      ),
      `update audit_head set count = 9`,
    ],
    sequence: 7,
    reason: /content or hash/,
  },
  {
    what: 'two entries exchanged',
    sql: () => [
      `update audit_entries set sequence = 1000 where sequence = 3`,
      `update audit_entries set sequence = 3 where sequence = 4`,
      `update audit_entries set sequence = 4 where sequence = 1000`,
    ],
    sequence: 3,
    reason: /content or hash/,
  },
  {
    what: 'the first entries deleted without a checkpoint',
    sql: () => [`delete from audit_entries where sequence <= 2`],
    sequence: 1,
    reason: /missing/,
  },
  {
    what: 'the first entries deleted behind a made-up checkpoint',
    sql: () => [
      `insert into audit_checkpoints (through, hash, pruned_at)
        select 2, hash, 0 from audit_entries where sequence = 2`,
      `delete from audit_entries where sequence <= 2`,
    ],
    sequence: 2,
    reason: /none tells of it/,
  },
  {
    what: 'the tail cut off',
    sql: () => [`delete from audit_entries where sequence > 8`],
    sequence: 9,
    reason: /missing/,
  },
  {
    what: 'the tail cut off, and the head row set to match',
    sql: () => [
      `delete from audit_entries where sequence > 8`,
      `update audit_head set count = 8,
        hash = (select hash from audit_entries where sequence = 8)`,
    ],
    sequence: 9,
    reason: /witness/,
  },
  {
    what: 'everything deleted',
    sql: () => [
      `delete from audit_entries`,
      `update audit_head set count = 0, hash = '${'0'.repeat(64)}'`,
    ],
    sequence: 1,
    reason: /witness/,
  },
  {
    what: 'everything replaced by an entry that tells of a pruning',
    sql: () => erasure(12),
    sequence: 10,
    reason: /removed.*witness/,
  },
  {
    what: 'everything up to the last entry replaced by one that tells of a pruning',
    sql: async ({ store }) => erasure(10, (await entryAt(store, 10)).hash),
    sequence: 10,
    reason: /removed.*witness/,
  },
  {
    what: 'a head row with another hash',
    sql: () => [`update audit_head set hash = '${'cd'.repeat(32)}'`],
    sequence: 10,
    reason: /head row/,
  },
]

async function entryAt(store: StoreUnderTest['store'], sequence: number) {
  const { items } = await store.audit.list({}, { limit: 1, after: sequence - 1 })
  const [found] = items
  if (found === undefined) throw new Error(`there is no entry ${sequence}`)
  return found
}

/** What somebody would do who knows how the chain is made. */
function forged({ hash: _hash, ...rest }: Awaited<ReturnType<typeof entryAt>>): string {
  const changed = { ...rest, actor: 'somebody else' }
  const hash = createHash('sha256').update(canonicalJson(changed)).digest('hex')
  return `update audit_entries set actor = '${changed.actor}', hash = '${hash}'
    where sequence = ${rest.sequence}`
}

/** All entries give way to one forged, which vouches for a made-up checkpoint. */
function erasure(through: number, removedHash = 'ef'.repeat(32)): string[] {
  const details = { hash: removedHash, olderThan: '2026-01-01T00:00:00.000Z', removed: 9, through }
  const entryOfIt = {
    ...entry({ action: 'audit_pruned', actor: 'service', requestId: '', details }),
    sequence: through + 1,
    time: new Date(START).toISOString(),
    previousHash: removedHash,
  }
  const hash = createHash('sha256').update(canonicalJson(entryOfIt)).digest('hex')
  return [
    `insert into audit_checkpoints (through, hash, pruned_at)
      values (${through}, '${removedHash}', 0)`,
    `delete from audit_entries`,
    `insert into audit_entries (sequence, time, action, outcome, actor, request_id, user_id,
        subject_id, before, after, details, previous_hash, hash)
      values (${through + 1}, ${START}, 'audit_pruned', 'succeeded', 'service', '', null, null,
        'null', 'null', '${canonicalJson(details)}', '${removedHash}', '${hash}')`,
    `update audit_head set count = ${through + 1}, hash = '${hash}'`,
  ]
}

async function trailOfTen(t: Test, database: TestDatabase): Promise<StoreUnderTest> {
  const opened = openTestStore(t, database)
  await opened.store.audit.append(numbered(10))
  t.match(await opened.store.audit.verify(never()), { intact: true, checked: 10 })
  return opened
}

/** That the trail cannot be changed unnoticed, whichever database it is in. */
export function testTampering(createDatabase: CreateDatabase): void {
  for (const { what, sql, sequence, reason } of TAMPERINGS) {
    test(`verification finds ${what}`, async (t) => {
      const database = await createDatabase(t)
      const opened = await trailOfTen(t, database)
      const statements = await sql(opened)
      await database.dropGuards()
      await database.execute(...statements)
      t.match(await opened.store.audit.verify(never()), {
        intact: false,
        broken: { sequence, reason },
      })
      await opened.close()
      const again = openTestStore(t, database)
      t.match(
        await again.store.audit.verify(never()),
        { intact: false, broken: { sequence } },
        'also after a restart',
      )
    })
  }

  test('a cut-off tail stays found when the chain has grown past it again', async (t) => {
    const database = await createDatabase(t)
    const { store, close, witnessFile } = await trailOfTen(t, database)
    await database.dropGuards()
    await database.execute(`delete from audit_entries where sequence > 8`)
    await database.execute(
      `update audit_head set count = 8, hash = (select hash from audit_entries where sequence = 8)`,
    )
    await store.audit.append(numbered(5))
    t.match(await store.audit.verify(never()), { intact: false, broken: { sequence: 10 } })
    await close()
    t.match(JSON.parse(await readFile(witnessFile, 'utf8')), { count: 10 }, 'it is not overwritten')
    const again = openTestStore(t, database)
    t.match(await again.store.audit.verify(never()), { intact: false, broken: { sequence: 10 } })
    t.ok(again.lines.some(({ msg }) => /contradicts its witness/.test(msg)))
    await again.close()
    await rm(witnessFile)
    const accepted = openTestStore(t, database)
    t.match(await accepted.store.audit.verify(never()), { intact: true, checked: 13 })
  })

  test('a witness file that cannot be read is told of and left alone', async (t) => {
    const database = await createDatabase(t)
    const { close, witnessFile } = await trailOfTen(t, database)
    await close()
    for (const content of ['', '{"count": -1, "hash": "x"}', 'null']) {
      await writeFile(witnessFile, content)
      const { store, close: closeAgain } = openTestStore(t, database)
      await store.audit.append([entry()])
      t.match(await store.audit.verify(never()), {
        intact: false,
        broken: { reason: /witness file/ },
      })
      await closeAgain()
      t.equal(await readFile(witnessFile, 'utf8'), content)
    }
  })

  test('a trail that replaces another is found out by the witness', async (t) => {
    const database = await createDatabase(t)
    const { close, witnessFile } = await trailOfTen(t, database)
    await close()
    const replacement = await createDatabase(t)
    const other = openTestStore(t, replacement, { witnessFile })
    await other.store.audit.append(
      Array.from({ length: 12 }, () => entry({ actor: 'somebody else' })),
    )
    t.match(await other.store.audit.verify(never()), { intact: false, broken: { sequence: 10 } })
  })

  test('an erased trail stays found when the chain has grown since', async (t) => {
    const database = await createDatabase(t)
    const { store, close, witnessFile } = await trailOfTen(t, database)
    await database.dropGuards()
    await database.execute(...erasure(12))
    await store.audit.append(numbered(3))
    t.match(await store.audit.verify(never()), { intact: false, broken: { sequence: 10 } })
    await close()
    t.match(JSON.parse(await readFile(witnessFile, 'utf8')), { count: 10 }, 'it is not overwritten')
    const again = openTestStore(t, database)
    t.match(await again.store.witnessAtStart(), { state: 'disputed', count: 10 })
    t.match(await again.store.audit.verify(never()), { intact: false, broken: { sequence: 10 } })
  })

  test('an old entry cannot vouch for a checkpoint that the witness does not know', async (t) => {
    const database = await createDatabase(t)
    const { store } = openTestStore(t, database)
    const [first] = await store.audit.append([entry()])
    const details = { through: 1, hash: first?.hash ?? '' }
    await store.audit.append([entry({ action: 'audit_pruned', details }), ...numbered(2)])
    await database.execute(
      `insert into audit_checkpoints (through, hash, pruned_at) values (1, '${details.hash}', 0)`,
      `delete from audit_entries where sequence = 1`,
    )
    t.match(await store.audit.verify(never()), {
      intact: false,
      broken: { sequence: 1, reason: /none tells of it/ },
    })
  })

  test('a checkpoint that the witness knows cannot give way to a later one', async (t) => {
    const database = await createDatabase(t)
    const { store, clock, close, witnessFile } = await trailOfTen(t, database)
    clock.now += 24 * 60 * 60_000
    await store.audit.append(numbered(2))
    t.match(await store.pruneAudit(new Date(clock.now), never()), { entries: 10 })
    await close()
    t.match(JSON.parse(await readFile(witnessFile, 'utf8')), {
      count: 13,
      time: '2026-03-02T10:00:00.000Z',
      checkpoint: { through: 10 },
    })
    await database.dropGuards()
    await database.execute(`update audit_checkpoints set through = 11, hash =
      (select hash from audit_entries where sequence = 11)`)
    await database.execute(`delete from audit_entries where sequence = 11`)
    const again = openTestStore(t, database)
    t.match(await again.store.audit.verify(never()), {
      intact: false,
      broken: { sequence: 10, reason: /checkpoint/ },
    })
  })

  test('a witness that is missing is told of, and an empty trail has none', async (t) => {
    const database = await createDatabase(t)
    const first = openTestStore(t, database)
    t.same(await first.store.witnessAtStart(), { state: 'absent', count: null })
    await first.store.audit.append(numbered(3))
    await first.close()
    t.same(first.lines, [])
    const second = openTestStore(t, database)
    t.same(await second.store.witnessAtStart(), { state: 'present', count: 3 })
    const { witness, head } = await second.store.audit.verify(never())
    t.same(witness, head, 'which is a count and a hash, also after a restart')
    await second.close()
    await rm(second.witnessFile)
    const third = openTestStore(t, database)
    t.same(await third.store.witnessAtStart(), { state: 'absent', count: null })
    t.match(third.lines, [{ level: 40, msg: /no witness/, entries: 3 }])
  })
}
