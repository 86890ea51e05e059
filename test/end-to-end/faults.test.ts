import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'tap'
import type { Test } from 'tap'
import { FAULT_KINDS } from '../../simulator/faults.ts'
import type { FaultRule } from '../../simulator/faults.ts'
import type { Simulator } from '../../simulator/server.ts'
import { SMALL_WORLD } from '../../simulator/small-world.ts'
import type { Answer, Body, Caller } from './support/caller.ts'
import { startUnderTest } from './support/service-under-test.ts'
import type { UnderTest } from './support/service-under-test.ts'
import { crowdedWorld, outcomesOf, TELLING_QUESTIONS, turnTo } from './support/two-organizations.ts'
import type { Side } from './support/two-organizations.ts'
import { until } from './support/until.ts'

/** Between two batches of checks. */
const PAUSE_MS = 40

type Fault = Omit<FaultRule, 'match'>

type Resource = {
  readonly name: string
  readonly path: FaultRule['match']['path']
  readonly pageSize?: number
  /** What `drop-field` leaves out, one after another. */
  readonly fields: readonly string[]
}

const LISTING = ['entities', 'total', 'pageNumber', 'id']

const RESOURCES: readonly Resource[] = [
  {
    name: 'users',
    path: '/api/v2/users',
    pageSize: 500,
    fields: [...LISTING, 'groups', 'state'],
  },
  {
    name: 'roles',
    path: '/api/v2/authorization/roles',
    fields: [...LISTING, 'permissionPolicies'],
  },
  {
    name: 'holders of all roles',
    path: '/api/v2/authorization/roles/{roleId}/subjectgrants',
    fields: [...LISTING, 'divisions', 'type'],
  },
  {
    name: 'holders of one role',
    path: `/api/v2/authorization/roles/${SMALL_WORLD.roles.agent}/subjectgrants`,
    fields: LISTING,
  },
  {
    name: 'groups',
    path: '/api/v2/groups',
    pageSize: 500,
    fields: [...LISTING, 'rolesEnabled'],
  },
  { name: 'divisions', path: '/api/v2/authorization/divisions', fields: LISTING },
  {
    name: 'permissions',
    path: '/api/v2/authorization/permissions',
    fields: [...LISTING, 'domain', 'permissionMap'],
  },
  { name: 'second pages', path: /[?&]pageNumber=2\b/, fields: LISTING },
  { name: 'the organisation', path: '/api/v2/tokens/me', fields: ['organization'] },
  { name: 'tokens', path: '/oauth/token', fields: ['access_token', 'expires_in', 'token_type'] },
]

const STATUSES = [400, 401, 403, 404, 429, 500]

/** Every kind, in every shape that differs for a reader. */
function faultsOf({ fields, pageSize = 100 }: Resource): Fault[] {
  return FAULT_KINDS.flatMap((kind): Fault[] => {
    switch (kind) {
      case 'status':
        return STATUSES.map((status) => ({ kind, status }))
      case 'drop-field':
        return fields.map((field) => ({ kind, field }))
      case 'wrong-total':
        // One too many, one page exactly, hardly anything.
        return [{ kind }, { kind, total: pageSize }, { kind, total: 1 }]
      case 'slow':
        return [{ kind, delayMs: 20 }]
      default:
        return [{ kind }]
    }
  })
}

/** Which organisation each revision was read from, once it is known. */
class Chronicle {
  readonly #tables: Readonly<Record<Side, readonly string[]>>
  readonly #sides = new Map<number, Side>()
  readonly #answers: { readonly revision: number; readonly outcomes: readonly string[] }[] = []

  constructor(tables: Readonly<Record<Side, readonly string[]>>) {
    this.#tables = tables
  }

  publish(revision: number, side: Side): void {
    this.#sides.set(revision, side)
  }

  heard(revision: number, outcomes: readonly string[]): void {
    this.#answers.push({ revision, outcomes })
  }

  /** Answers heard since the last call that are not those of their revision's organisation. */
  takeWrong(): string[] {
    return this.#answers.splice(0).flatMap(({ revision, outcomes }) => {
      const side = this.#sides.get(revision)
      if (side === undefined) return [`revision ${revision} was never announced`]
      const expected = this.#tables[side]
      const at = outcomes.findIndex((outcome, index) => outcome !== expected[index])
      if (at < 0) return []
      const question = JSON.stringify(TELLING_QUESTIONS[at])
      return [`${question} at ${revision} (${side}): ${outcomes[at]}, not ${expected[at]}`]
    })
  }
}

function outcomesIn({ body }: Answer): string[] {
  const results: { allowed: boolean; reason: string }[] = body.results
  return results.map(({ allowed, reason }) => (allowed ? 'allowed' : reason))
}

/** Asks again and again until the work is done, and once after it. */
async function askDuring<Value>(
  caller: Caller,
  chronicle: Chronicle,
  work: Promise<Value>,
): Promise<Value> {
  const state = { done: false }
  const finished = work.finally(() => {
    state.done = true
  })
  let isLast = false
  while (!isLast) {
    isLast = state.done
    const answer = await caller.batch(TELLING_QUESTIONS)
    if (answer.status !== 200) throw new Error(answer.text)
    chronicle.heard(answer.body.revision, outcomesIn(answer))
    if (!isLast) await Promise.race([delay(PAUSE_MS), finished])
  }
  return await finished
}

/** With limits this short a machine that stands still misses them, with no fault at all. */
const LATE = /was not (?:answered in time|done within)|UND_ERR_\w+_TIMEOUT/

/** A rebuild that no fault strikes. */
function rebuildUnharmed(caller: Caller, body: unknown = {}): Promise<Body> {
  return until('a rebuild is in time', async () => {
    const rebuild: Body = await caller.rebuild(body)
    return !LATE.test(rebuild.error ?? '') && rebuild
  })
}

/** Both answers to every telling question, read from the simulator's records. */
function readTables(simulator: Simulator): Record<Side, string[]> {
  turnTo(simulator, 'new')
  const changed = outcomesOf(simulator.world)
  turnTo(simulator, 'old')
  return { old: outcomesOf(simulator.world), new: changed }
}

async function endure(t: Test, context: UnderTest, resource: Resource): Promise<void> {
  const { caller, simulator } = context
  const chronicle = new Chronicle(readTables(simulator))
  const ends: Record<string, number> = {}
  let side: Side = 'old'
  const { revision, state, error } = await rebuildUnharmed(caller, { allowShrink: true })
  t.equal(state, 'succeeded', error)
  chronicle.publish(revision, side)
  for (const fault of faultsOf(resource)) {
    const name = `${fault.kind} ${fault.status ?? fault.field ?? fault.total ?? ''}`.trim()
    side = side === 'old' ? 'new' : 'old'
    turnTo(simulator, side)
    const active = simulator.faults.add({ ...fault, match: { path: resource.path } })
    if (resource.name === 'tokens') simulator.revokeTokens()
    const faulty = await askDuring(caller, chronicle, caller.rebuild())
    if (faulty.revision !== undefined) chronicle.publish(faulty.revision, side)
    simulator.faults.clear()
    ends[faulty.state] = (ends[faulty.state] ?? 0) + 1
    const survived = faulty.state === 'succeeded'
    const mended = survived ? faulty : await askDuring(caller, chronicle, rebuildUnharmed(caller))
    if (mended.revision !== undefined) chronicle.publish(mended.revision, side)
    t.ok(active.applied > 0, `${name} struck`)
    t.equal(mended.state, 'succeeded', `${name}: ${faulty.state}, then read: ${mended.error ?? ''}`)
    t.same(chronicle.takeWrong().slice(0, 3), [], `${name}: ${faulty.error ?? 'all was read'}`)
  }
  t.ok((ends['failed'] ?? 0) > 0, `most could not be read: ${JSON.stringify(ends)}`)
}

test('two organisations answer differently wherever a part of one is taken for the other', (t) => {
  const world = crowdedWorld()
  const before = outcomesOf(world)
  t.ok(new Set(before).size >= 5)
  t.end()
})

test('no fault of the platform makes a check answer from a half-read organisation', async (t) => {
  t.jobs = 3
  for (const resource of RESOURCES) {
    t.test(resource.name, { buffered: true }, async (t) => {
      await using context = await startUnderTest({
        simulator: { world: crowdedWorld() },
        overrides: { upstream: { requestTimeoutMs: 800, maxAttempts: 2 } },
      })
      await endure(t, context, resource)
    })
  }
})
