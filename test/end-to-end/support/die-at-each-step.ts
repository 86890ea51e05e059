import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { SMALL_WORLD } from '../../../simulator/small-world.ts'
import type { Simulator } from '../../../simulator/server.ts'
import type { Body } from './caller.ts'
import { endBatchLeases } from '../../store/support/test-database.ts'
import type { TestDatabase } from '../../store/support/test-database.ts'
import { databaseUrl } from './both-stores.ts'
import { environment, temporaryFolder } from './environment.ts'
import { startServiceProcess } from './processes.ts'
import type { ServiceProcess } from './processes.ts'
import { startPlatform } from './service-under-test.ts'
import { until } from './until.ts'

const { users, roles, divisions } = SMALL_WORLD
const COMMAND = [process.execPath, 'test/end-to-end/support/mortal-service.ts']
const SUBJECTS = '/api/v2/authorization/subjects/{subjectId}'
const MOVING = new Set(['pending', 'applying', 'rolling-back'])

/** Bob has it already, so that his item is settled without a write. */
const CHANGED: readonly string[] = [users.alice, users.olivia, users.heidi]
const SUPERVISOR_EVERYWHERE = { roleId: roles.supervisor, divisionId: '*' }

/**
 * Another grant for each step. What was taken back a moment ago and is shown again may be the
 * platform lagging: it would rightly be written once more.
 */
const GRANTS: readonly Grant[] = [roles.evaluator, roles.groupCreator, roles.unused].flatMap(
  (roleId) => [...Object.values(divisions), '*'].map((divisionId) => ({ roleId, divisionId })),
)

type Grant = { readonly roleId: string; readonly divisionId: string }

function grantOf(position: number): Grant {
  const grant = GRANTS[position % GRANTS.length]
  if (!grant) throw new Error('there are no grants')
  return grant
}

function updatesOf(grant: Grant): object[] {
  return [
    ...CHANGED.map((userId) => ({ userId, grant: [grant] })),
    { userId: users.bob, grant: [SUPERVISOR_EVERYWHERE] },
  ]
}

const APPLYING = [
  'before-planned',
  'after-planned',
  'before-write',
  'after-write',
  'before-written',
  'after-written',
  'before-confirmed',
  'after-confirmed',
  'before-settled',
  'after-settled',
  'before-ended',
  'after-ended',
]
const UNDOING = [
  'before-undo-planned',
  'after-undo-planned',
  'before-undo-write',
  'after-undo-write',
  'before-undo-written',
  'after-undo-written',
  'before-undone',
  'after-undone',
  'before-ended',
  'after-ended',
]

class Mortal {
  readonly #env: Record<string, string>
  readonly #database: TestDatabase
  readonly #killFile: string
  #process: ServiceProcess | undefined

  constructor(env: Record<string, string>, database: TestDatabase) {
    this.#killFile = join(env['DATA_DIR'] ?? '', 'kill-at')
    this.#env = { ...env, ...databaseUrl(database), KILL_FILE: this.#killFile }
    this.#database = database
  }

  async running(): Promise<ServiceProcess> {
    this.#process ??= await startServiceProcess(this.#env, COMMAND)
    await this.#process.caller.untilReady()
    return this.#process
  }

  async killAt(step: string): Promise<void> {
    await writeFile(this.#killFile, step)
  }

  /** Resolves once it is dead and the leases of what it held have run out. */
  async killed(): Promise<{ readonly signal: string | null }> {
    const end = await this.#process?.exited
    this.#process = undefined
    await endBatchLeases(this.#database)
    return end ?? { signal: null }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process?.[Symbol.asyncDispose]()
  }
}

async function ended(service: ServiceProcess, id: string | undefined): Promise<Body> {
  return await until('the batch has come to rest', async () => {
    const { status, body } = await service.caller.admin(`/admin/v1/role-changes/${id}`)
    return status === 200 && !MOVING.has(body.state) && body
  })
}

async function post(
  service: ServiceProcess,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Body> {
  const answer = await service.caller.admin(`/admin/v1/role-changes${path}`, { body, headers })
  if (answer.status !== 202 && answer.status !== 200) {
    throw new Error(`${path} answered ${answer.status} ${answer.text}`)
  }
  return answer.body
}

/** Accepts a batch of a process that may die before it has answered; asking again is safe. */
async function accept(
  service: ServiceProcess,
  comment: string,
  grant: Grant,
): Promise<string | undefined> {
  const headers = { 'idempotency-key': comment }
  try {
    return (await post(service, '', { updates: updatesOf(grant), comment }, headers)).id
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}

function holdings(simulator: Simulator): Record<string, string[]> {
  return Object.fromEntries(
    [...CHANGED, users.bob].map((userId) => {
      const grants = simulator.world.grants.ofSubject(userId)
      return [userId, grants.map(({ roleId, divisionId }) => `${roleId} ${divisionId}`).toSorted()]
    }),
  )
}

function withGrant(
  held: Readonly<Record<string, readonly string[]>>,
  { roleId, divisionId }: Grant,
): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(held).map(([userId, grants]) => {
      const added = CHANGED.includes(userId) ? [`${roleId} ${divisionId}`] : []
      return [userId, [...grants, ...added].toSorted()]
    }),
  )
}

/** Kills the service at each moment in turn, on one database and one platform. */
export async function dieAtEachStep(t: Test, database: TestDatabase): Promise<void> {
  const folder = await temporaryFolder()
  t.teardown(() => folder[Symbol.asyncDispose]())
  const simulator = await startPlatform()
  t.teardown(() => simulator.close())
  await using mortal = new Mortal(environment(simulator.url, folder.path), database)
  const before = holdings(simulator)
  for (const [position, step] of APPLYING.entries()) {
    const grant = grantOf(position)
    const writer = await mortal.running()
    simulator.requests.reset()
    await mortal.killAt(step)
    const answered = await accept(writer, step, grant)
    t.match(await mortal.killed(), { signal: 'SIGKILL' }, step)
    const survivor = await mortal.running()
    const id = await accept(survivor, step, grant)
    t.ok(id !== undefined && (answered === undefined || answered === id), 'it is the same batch')
    const batch = await ended(survivor, id)
    t.equal(batch.state, 'succeeded', step)
    t.same(
      batch.items.map((item: Body) => item.state),
      ['applied', 'applied', 'applied', 'unchanged'],
      step,
    )
    t.same(holdings(simulator), withGrant(before, grant), `${step}: nothing is lost`)
    const writes = simulator.requests.of(`POST ${SUBJECTS}/bulkadd`)
    t.equal(writes, CHANGED.length, `${step}: nothing is done twice`)
    await post(survivor, `/${id}/rollback`, {})
    t.equal((await ended(survivor, id)).state, 'rolled-back', step)
    t.same(holdings(simulator), before, `${step}: undone`)
  }

  for (const [position, step] of UNDOING.entries()) {
    const writer = await mortal.running()
    const id = await accept(writer, `undo-${step}`, grantOf(position))
    t.equal((await ended(writer, id)).state, 'succeeded')
    simulator.requests.reset()
    await mortal.killAt(step)
    // It may be dead before it has answered.
    await post(writer, `/${id}/rollback`, {}).catch((error: unknown) => error)
    t.match(await mortal.killed(), { signal: 'SIGKILL' }, step)
    const survivor = await mortal.running()
    t.equal((await ended(survivor, id)).state, 'rolled-back', step)
    t.same(holdings(simulator), before, `${step}: nothing is left`)
    const writes = simulator.requests.of(`POST ${SUBJECTS}/bulkremove`)
    t.equal(writes, CHANGED.length, `${step}: nothing is undone twice`)
  }

  const last = await mortal.running()
  const { body } = await last.caller.admin('/admin/v1/audit/verification')
  t.match(body, { intact: true, broken: null })
  await everyChangeIsToldOnce(t, last)
}

/** For every user of every batch there is one entry that tells of the change, and one of its undoing. */
async function everyChangeIsToldOnce(t: Test, service: ServiceProcess): Promise<void> {
  const told = new Map<string, number>()
  let cursor = ''
  do {
    const query = `action=role_assignment_change&outcome=succeeded&limit=500${cursor}`
    const { body } = await service.caller.admin(`/admin/v1/audit/entries?${query}`)
    for (const { subjectId, userId } of body.items) {
      const key = `${subjectId} ${userId}`
      told.set(key, (told.get(key) ?? 0) + 1)
    }
    cursor = body.nextCursor ? `&cursor=${body.nextCursor}` : ''
  } while (cursor !== '')
  const batches = APPLYING.length + UNDOING.length
  t.equal(told.size, batches * CHANGED.length)
  t.same(new Set(told.values()), new Set([2]), 'done once, undone once')
}
