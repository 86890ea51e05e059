import { createHash } from 'node:crypto'
import { test } from 'tap'
import type { AuditEntry } from '../../src/domain/audit.ts'
import type { DivisionFact, Facts, Grant, RoleFact } from '../../src/domain/facts.ts'
import { Failure } from '../../src/domain/failure.ts'
import type { RoleChangeStore } from '../../src/domain/role-change-store.ts'
import type { RoleRule } from '../../src/domain/role-rules.ts'
import {
  accept,
  grant,
  granting,
  HELD,
  inState,
  itemsOf,
  newBatch,
  openRunner,
  openWorld,
  trail,
  userId,
  worldFacts,
} from './support/change-world.ts'

const FIRST = userId(1)

function numbered(prefix: string, number: number): string {
  return `${prefix}0000000-0000-4000-8000-${String(number).padStart(12, '0')}`
}

/** Longer than any that the platform has, and of characters that JSON text has six for. */
const LONG_NAME = '\u0001'.repeat(300)

const DIVISIONS = Array.from({ length: 50 }, (_, i): DivisionFact => {
  return { id: numbered('d', i), name: `${LONG_NAME} ${i}`, home: i === 0 }
})
const [HOME] = DIVISIONS.map(({ id }) => id)

/** Two kinds of role, each with a hundred permissions of its own kind. */
function duty(kind: string, number: number): RoleFact {
  const permissions = Array.from({ length: 100 }, (_, i) => {
    return `${kind}_permission_with_a_rather_long_name_${(i + number) % 400}`
  })
  const name = `${LONG_NAME} ${kind} ${number}`
  const id = numbered(kind === 'pay' ? 'a' : 'c', number)
  return { id, name, defaultRoleId: '', licences: [], permissions, policies: [] }
}

const PAYING = Array.from({ length: 700 }, (_, i) => duty('pay', i))
const CHECKING = Array.from({ length: 700 }, (_, i) => duty('check', i))

function largeWorld(held: readonly Grant[]): Facts {
  const facts = worldFacts({ divisions: DIVISIONS, roles: [...PAYING, ...CHECKING] })
  const subjects = facts.subjects.map((subject) => ({
    ...subject,
    grants: subject.id === FIRST ? held : [],
  }))
  return { ...facts, subjects }
}

function inHome({ id }: RoleFact): Grant {
  return { roleId: id, divisionId: HOME! }
}

function hashOf(list: unknown): string {
  return createHash('sha256').update(JSON.stringify(list)).digest('hex')
}

function sizeOf({ before, after, details }: AuditEntry): number {
  return JSON.stringify([before, after, details]).length
}

test('hundreds of grants in place of hundreds are written, and told by number and hash where they are too many', async (t) => {
  const held = PAYING.map(inHome)
  const world = await openWorld(t, largeWorld(held))
  openRunner(world, { rules: [] })
  const roleIds = CHECKING.map(({ id }) => id)
  const replace = { kind: 'replace', roleIds, divisionId: null } as const
  const batch = await accept(world, {
    ...newBatch([]),
    items: [{ userId: FIRST, intent: replace, before: held }],
  })
  await inState(world, batch.id, 'succeeded')
  t.same(new Set(world.platform.grants.get(FIRST)), new Set(CHECKING.map(inHome)))
  const told = await trail(world, { userId: FIRST })
  t.match(told, [{ outcome: 'started' }, { outcome: 'succeeded' }])
  for (const entry of told) {
    t.ok(sizeOf(entry) <= 262_144)
    t.match(entry.before, { grantsCount: 700, grantsHash: hashOf(held) })
    t.match(entry.after, { grantsCount: 700, grantsHash: hashOf(CHECKING.map(inHome)) })
    t.match(entry.details, { addedCount: 700, removedCount: 700 })
  }
  const [item] = await itemsOf(world, batch.id)
  t.equal(item?.found?.length, 700, 'the whole list is in the item')
  await world.store.roleChanges.rollback(batch.id, { force: false }, [])
  for (const runner of world.runners) runner.wake()
  await inState(world, batch.id, 'rolled-back')
  t.same(new Set(world.platform.grants.get(FIRST)), new Set(held))
})

test('a user who would break rules in fifty divisions is skipped, with what an entry can hold', async (t) => {
  const world = await openWorld(t, largeWorld([]))
  const kinds = ['pay', 'check'].map((kind) =>
    Array.from({ length: 400 }, (_, i) => `${kind}_permission_with_a_rather_long_name_${i}`),
  )
  const rules = ['one', 'two'].map((name): RoleRule => {
    return { name, kind: 'segregates', permissions: kinds, scope: 'division' }
  })
  openRunner(world, { rules })
  const [pays, checks] = [PAYING[0]!.id, CHECKING[0]!.id]
  const grants = DIVISIONS.flatMap(({ id: divisionId }) => [
    { roleId: pays, divisionId },
    { roleId: checks, divisionId },
  ])
  const batch = await accept(world, {
    ...newBatch([]),
    items: [{ userId: FIRST, intent: granting(...grants), before: [] }],
  })
  await inState(world, batch.id, 'failed')
  const [item] = await itemsOf(world, batch.id)
  t.match(item, { state: 'skipped-conflict', error: { message: /must not meet in one person/ } })
  t.ok(item!.conflicts.length <= 10)
  t.ok(item!.conflicts.every(({ permissions }) => permissions.length === 10))
  const told = await trail(world, { userId: FIRST })
  t.match(told, [{ outcome: 'skipped', details: { conflicts: [{ rule: 'one' }] } }])
  t.ok(told.every((entry) => sizeOf(entry) <= 262_144))
})

test('a step that the trail cannot hold fails its user, and the batch goes on', async (t) => {
  const world = await openWorld(t)
  let refused = 0
  const refusing = new Proxy<RoleChangeStore>(world.store.roleChanges, {
    get(store, name: keyof RoleChangeStore) {
      if (name !== 'record') return store[name].bind(store)
      return async (...[claim, step]: Parameters<RoleChangeStore['record']>) => {
        if (step.item?.position === 0 && step.item.patch.step === 'written') {
          refused += 1
          throw new Failure('invalid', 'an audit entry is larger than 262144 characters')
        }
        return await store.record(claim, step)
      }
    },
  })
  openRunner(world, { store: refusing })
  const intents = [granting(grant('writer')), granting(grant('writer'))]
  const batch = await accept(world, newBatch(intents, { onFailure: 'continue' }))
  await inState(world, batch.id, 'partially-applied')
  t.equal(refused, 1)
  t.match(await itemsOf(world, batch.id), [
    { state: 'failed', step: 'planned', error: { message: /larger .* may have been written/ } },
    { state: 'applied' },
  ])
  await world.store.roleChanges.rollback(batch.id, { force: false }, [])
  for (const runner of world.runners) runner.wake()
  await inState(world, batch.id, 'rolled-back')
  t.same(world.platform.grants.get(FIRST), HELD, 'what was written all the same is taken back')
})

test('entries say what users, roles and divisions were called', async (t) => {
  const world = await openWorld(t)
  openRunner(world)
  const batch = await accept(world, newBatch([granting(grant('writer'))]))
  await inState(world, batch.id, 'succeeded')
  const names = {
    user: String,
    roles: {
      [grant('employee').roleId]: 'employee',
      [grant('reader').roleId]: 'reader',
      [grant('writer').roleId]: 'writer',
    },
    divisions: { [grant('writer').divisionId]: 'Sales' },
  }
  t.match(await trail(world, { userId: FIRST }), [{ details: { names } }, { details: { names } }])
})
