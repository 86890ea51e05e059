import { test } from 'tap'
import type { Test } from 'tap'
import type { SimulatorOptions } from '../../../simulator/server.ts'
import type { OperationKind } from '../../../src/domain/architecture-operation.ts'
import type { ArchitecturePlatform } from '../../../src/domain/architecture-platform.ts'
import { Failure } from '../../../src/domain/failure.ts'
import { architectureThrough } from '../../../src/genesys/architecture-link.ts'
import { systemClock } from '../../../src/worker/clock.ts'
import { ThreadLink } from '../../../src/genesys/thread-link.ts'
import type { CreateDatabase } from '../../store/support/test-database.ts'
import {
  ALLOWLISTS,
  ANNA,
  ENVIRONMENTS,
  environment,
  OFFICE,
  openInstance,
  openSimulator,
  until,
} from './architecture-world.ts'

const SETTINGS = '/api/v2/organizations/authentication/settings'
const OURS = '203.0.113.0/24'
const LOST = { kind: 'lost-answer', times: 1 } as const

type Desk = ReturnType<typeof openInstance>

function list(...networks: string[]) {
  return { entries: networks.map((ipAddress) => ({ ipAddress })) }
}

/** A platform that shows what is written once it is told to. */
async function openLate(t: Test) {
  let shown = false
  const late: Partial<SimulatorOptions> = { consistencyDelayMs: 1, now: () => (shown ? 1 : 0) }
  const simulator = await openSimulator(t, late)
  return { simulator, show: () => void (shown = true) }
}

async function outcomes(desk: Desk): Promise<string[]> {
  return (await desk.entries()).map(({ outcome }) => outcome)
}

/** A thread that dies of the first creation. */
function mortalPlatform(t: Test) {
  const entry = new URL('../../genesys/mortal-thread.ts', import.meta.url)
  const link = new ThreadLink({ entry, workerData: null, onEvent: () => undefined })
  t.teardown(() => link[Symbol.asyncDispose]())
  return architectureThrough(link)
}

/** An operation whose process died; its id. */
async function left({ store }: Desk, kind: OperationKind, name: string): Promise<string> {
  const payload = { requestHash: '', draft: { name, description: '', entries: [] } }
  const operation = { kind, name, payload, requestedBy: 'bert', requestId: '' }
  const begun = await store.operations.begin(operation, { owner: 'dead', leaseMs: 1 }, () => [])
  if (begun === undefined) throw new Error('it was refused')
  return begun.id
}

/** What may have been done, and how it ends, on either database. */
export function testUnknownOutcomes(createDatabase: CreateDatabase): void {
  test('a list that cannot be read back is recorded, announced, and can be taken back', async (t) => {
    const simulator = await openSimulator(t)
    simulator.world.ipAddressAllowlist = [OURS]
    const desk = openInstance(t, { database: await createDatabase(t), simulator })
    const match = { method: 'GET', path: SETTINGS }
    // Read when it is prepared, right before the write, and after.
    simulator.faults.add({ match, kind: 'status', status: 503, after: 2 })
    const both = list(OURS, '8.8.8.0/24')
    t.match(await desk.organization.replace(both, ANNA), { visible: false, warnings: [{}] })
    simulator.faults.clear()
    t.match((await desk.entries())[1], { outcome: 'succeeded', details: { visible: false } })
    t.match(await desk.events(), [{ event: 'ORGANIZATION_ALLOWLIST_REPLACED' }])
    t.match(await desk.organization.undo({}, ANNA), { after: [OURS] })
    t.same(simulator.world.ipAddressAllowlist, [OURS])
  })

  test('a change is taken back also while the platform does not show it yet', async (t) => {
    const { simulator, show } = await openLate(t)
    simulator.world.ipAddressAllowlist = [OURS]
    const { organization } = openInstance(t, { database: await createDatabase(t), simulator })
    t.match(await organization.replace(list(OURS, '8.8.8.0/24'), ANNA), { visible: false })
    t.match(await organization.undo({}, ANNA), { attempts: 1, before: [OURS, '8.8.8.0/24'] })
    show()
    t.match(await organization.read(), { networks: [OURS], undoable: undefined })
    await t.rejects(organization.undo({}, ANNA), { code: 'conflict', message: /no change/ })
  })

  test('a list that only seems to be there is sent, and is compared with what is in force', async (t) => {
    const { simulator, show } = await openLate(t)
    simulator.world.ipAddressAllowlist = [OURS]
    const desk = openInstance(t, { database: await createDatabase(t), simulator })
    const { organization } = desk
    const both = [OURS, '8.8.8.0/24']
    await organization.replace(list(...both), ANNA)
    t.match(await organization.preview(list(OURS)), { before: both, removed: ['8.8.8.0/24'] })
    t.match(await organization.replace(list(OURS), ANNA), {
      attempts: 1,
      before: both,
      removed: ['8.8.8.0/24'],
    })
    t.match(await organization.replace(list(OURS), ANNA), { attempts: 1, added: [], removed: [] })
    show()
    t.match(await organization.read(), { networks: [OURS], undoable: { before: both } })
    t.same(
      (await outcomes(desk)).filter((outcome) => outcome !== 'started'),
      ['succeeded', 'succeeded', 'unchanged'],
    )
  })

  test('a list that somebody else put back is in force once ours was seen', async (t) => {
    const simulator = await openSimulator(t)
    simulator.world.ipAddressAllowlist = [OURS]
    const desk = openInstance(t, { database: await createDatabase(t), simulator })
    const { organization } = desk
    const wrong = [OURS, '8.8.8.0/24']
    t.match(await organization.replace(list(...wrong), ANNA), { visible: true })
    simulator.world.ipAddressAllowlist = [OURS]
    t.match(await organization.preview(list(OURS)), { before: [OURS], removed: [] })
    await t.rejects(organization.undo({}, ANNA), {
      code: 'conflict',
      message: /somebody changed it/,
    })
    const right = [OURS, '9.9.9.0/24']
    t.match(await organization.replace(list(...right), ANNA), { before: [OURS], removed: [] })
    t.match(await organization.undo({}, ANNA), { before: right, after: [OURS] })
    t.same(simulator.world.ipAddressAllowlist, [OURS])
  })

  test('a list that shows only later is seen by whoever looks', async (t) => {
    const { simulator, show } = await openLate(t)
    simulator.world.ipAddressAllowlist = [OURS]
    const { organization } = openInstance(t, { database: await createDatabase(t), simulator })
    const both = [OURS, '8.8.8.0/24']
    t.match(await organization.replace(list(...both), ANNA), { visible: false })
    t.match(await organization.preview(list(OURS)), { before: both })
    show()
    t.match(await organization.preview(list(OURS)), { before: both })
    simulator.world.ipAddressAllowlist = [OURS]
    t.match(await organization.preview(list(...both)), { before: [OURS], added: ['8.8.8.0/24'] })
  })

  test('an undo without an answer takes nothing back until that is known', async (t) => {
    const { simulator, show } = await openLate(t)
    simulator.world.ipAddressAllowlist = [OURS]
    const database = await createDatabase(t)
    const desk = openInstance(t, { database, simulator, leaseMs: 200, patienceMs: 600 })
    const both = [OURS, '8.8.8.0/24']
    const { changeId } = await desk.organization.replace(list(...both), ANNA)
    simulator.faults.add({ kind: 'reset', match: { method: 'PATCH', path: SETTINGS } })
    await t.rejects(desk.organization.undo({}, ANNA), { code: 'upstream-busy', undecided: true })
    t.match(await desk.organization.read(), { networks: [OURS], undoable: { id: changeId } })
    show()
    desk.settler.begin()
    await until('it is settled', async () => (await desk.entries()).length === 4)
    t.match((await desk.entries())[3], { outcome: 'failed', details: { operation: 'UNDO' } })
    t.match(await desk.organization.read(), { networks: both, undoable: { id: changeId } })
  })

  test('a creation that is lost and listed late keeps its place under the limit', async (t) => {
    const { simulator, show } = await openLate(t)
    const database = await createDatabase(t)
    const options = { database, simulator, maxEnvironments: 1, leaseMs: 200, patienceMs: 60_000 }
    const desk = openInstance(t, options)
    simulator.faults.add({ ...LOST, match: { method: 'POST', path: ENVIRONMENTS } })
    const first = desk.environments.create(environment('dev'), ANNA)
    await t.rejects(first, { code: 'upstream-busy', undecided: true })
    t.same(await outcomes(desk), ['started'])
    const second = desk.environments.create(environment('test'), ANNA)
    const refused = t.rejects(second, { code: 'conflict', message: /^1 environments exist/ })
    desk.settler.begin()
    const listed = () => simulator.requests.of(`GET ${ENVIRONMENTS}`)
    const before = listed()
    await until('the settler looked in vain', () => listed() > before)
    t.same(await outcomes(desk), ['started'])
    show()
    await refused
    t.same(await outcomes(desk), ['started', 'succeeded', 'started', 'refused'])
    t.match(await desk.events(), [{ environment_name: 'dev' }])
    t.equal(simulator.world.architecture.environments.listed.length, 1)
  })

  test('a thread that dies of a creation leaves it to be settled', async (t) => {
    const simulator = await openSimulator(t)
    const mortal = mortalPlatform(t)
    const platform: Partial<ArchitecturePlatform> = {
      createEnvironment: (request, signal) => mortal.createEnvironment(request, signal),
    }
    const database = await createDatabase(t)
    const desk = openInstance(t, { database, simulator, platform, leaseMs: 200 })
    await t.rejects(desk.environments.create(environment('dev'), ANNA), {
      code: 'upstream-broken',
      message: /died/,
    })
    t.same(await outcomes(desk), ['started'])
    const { environments } = simulator.world.architecture
    const record = environments.reserve('dev', {})
    if (record) environments.show(record)
    desk.settler.begin()
    await until('it is settled', async () => (await desk.events()).length === 1)
    t.match((await desk.entries())[1]?.details, { environment_id: record?.id, recovered: true })
  })

  test('what ends before anything is sent has its end at once', async (t) => {
    const simulator = await openSimulator(t)
    const desk = openInstance(t, { database: await createDatabase(t), simulator })
    const { operations } = desk.store
    const away = new Failure('store-unavailable', 'the database is away')
    operations.environmentsSince = () => Promise.reject(away)
    await t.rejects(desk.environments.create(environment('dev'), ANNA), away)
    const changesSince = operations.organizationChangesSince.bind(operations)
    let reads = 0
    operations.organizationChangesSince = (time) =>
      reads++ === 0 ? changesSince(time) : Promise.reject(new TypeError('a bug'))
    await t.rejects(desk.organization.replace(list(OURS), ANNA), TypeError)
    t.same(await outcomes(desk), ['started', 'failed', 'started', 'failed'])
    t.equal(simulator.requests.of(`POST ${ENVIRONMENTS}`), 0)
  })

  test('an error that nobody expected decides nothing', async (t) => {
    const simulator = await openSimulator(t)
    const platform = { createIpAllowlist: () => Promise.reject(new TypeError('a bug')) }
    const database = await createDatabase(t)
    const desk = openInstance(t, { database, simulator, platform, leaseMs: 200 })
    await t.rejects(desk.allowlists.create(OFFICE, ANNA), TypeError)
    t.same(await outcomes(desk), ['started'])
    desk.settler.begin()
    await until('it is settled', async () => (await desk.entries()).length === 2)
    t.same(await outcomes(desk), ['started', 'failed'])
  })

  test('what another operation made is not made again, and announced once', async (t) => {
    const simulator = await openSimulator(t)
    const database = await createDatabase(t)
    const desk = openInstance(t, { database, simulator, leaseMs: 200 })
    const { item: dev } = await desk.environments.create(environment('dev'), ANNA)
    const { item: office } = await desk.allowlists.create(OFFICE, ANNA)
    const { description, entries } = office
    const dead = { owner: 'dead', leaseMs: 1 }
    const base = { requestedBy: 'bert', requestId: '' }
    const { operations } = desk.store
    const draft = { name: 'Office', description, entries }
    const payload = { requestHash: '', draft: structuredClone(draft) as never }
    await operations.begin(
      { ...base, kind: 'environment', name: 'dev', payload: {} },
      dead,
      () => [],
    )
    await operations.begin(
      { ...base, kind: 'ip-allowlist', name: 'Office', payload },
      dead,
      () => [],
    )
    desk.settler.begin()
    await until('all is settled', async () => (await desk.entries()).length === 6)
    t.match((await desk.entries()).slice(4), [
      { outcome: 'failed', details: { reason: new RegExp(`by another operation: ${dev.id}`) } },
      { outcome: 'unchanged', details: { resultId: office.id } },
    ])
    t.equal((await desk.events()).length, 2)
  })

  test('two that find the same behind lost answers made it once', async (t) => {
    const { simulator, show } = await openLate(t)
    const desk = openInstance(t, { database: await createDatabase(t), simulator })
    const match = { method: 'POST', path: ALLOWLISTS }
    const fault = simulator.faults.add({ match, kind: 'lost-answer', times: 2 })
    const both = [desk.allowlists.create(OFFICE, ANNA), desk.allowlists.create(OFFICE, ANNA)]
    const ended = Promise.all(both)
    await until('both are lost', () => fault.applied === 2)
    show()
    const [one, other] = await ended
    t.equal(one?.item.id, other?.item.id)
    t.same((await outcomes(desk)).sort(), ['started', 'started', 'succeeded', 'unchanged'])
    t.equal((await desk.events()).length, 1)
  })

  test('waiting for a turn asks nothing of the platform', async (t) => {
    const simulator = await openSimulator(t)
    const desk = openInstance(t, { database: await createDatabase(t), simulator })
    let polls = 0
    const { operations } = desk.store
    const held = await operations.begin(
      {
        kind: 'organization-allowlist',
        name: '',
        payload: { before: [], after: [] },
        requestedBy: 'bert',
        requestId: '',
      },
      { owner: 'other', leaseMs: 60_000 },
      () => [],
    )
    const ahead = operations.ahead.bind(operations)
    operations.ahead = (kind) => {
      polls += 1
      return ahead(kind)
    }
    const waiting = [1, 2, 3].map((number) =>
      desk.organization.replace(list(OURS, `8.8.${number}.0/24`), ANNA),
    )
    await until('all of them asked twice', () => polls >= 6)
    t.equal(simulator.requests.of(`GET ${SETTINGS}`), 0)
    await operations.end(held?.id ?? '', { state: 'failed', resultId: null }, [])
    t.equal((await Promise.all(waiting)).length, 3)
  })

  test('a part that the organisation does not offer just now decides nothing', async (t) => {
    const { simulator, show } = await openLate(t)
    const database = await createDatabase(t)
    const desk = openInstance(t, { database, simulator, leaseMs: 200 })
    simulator.faults.add({ ...LOST, match: { method: 'POST', path: ENVIRONMENTS } })
    const lost = desk.environments.create(environment('dev'), ANNA)
    await t.rejects(lost, { code: 'upstream-busy', undecided: true })
    simulator.world.architecture.offered = false
    desk.settler.begin()
    await until('it was looked for', () => desk.lines.some(({ msg }) => msg.includes('settled')))
    t.same(await outcomes(desk), ['started'])
    simulator.world.architecture.offered = true
    show()
    await until('it is settled', async () => (await desk.events()).length === 1)
  })

  test('operations that cannot be looked for keep no other from its end', async (t) => {
    const simulator = await openSimulator(t)
    simulator.faults.add({ kind: 'status', status: 403, match: { path: ALLOWLISTS } })
    const desk = openInstance(t, { database: await createDatabase(t), simulator, leaseMs: 200 })
    for (const name of ['a', 'b', 'c', 'd', 'e']) await left(desk, 'ip-allowlist', name)
    const id = await left(desk, 'environment', 'dev')
    desk.settler.begin()
    const ended = async () => (await desk.entries()).length > 0
    await until('the last one is settled', ended)
    t.match(await desk.entries(), [{ subjectId: id, outcome: 'failed' }])
    t.ok(desk.lines.some(({ msg }) => msg === 'an operation cannot be settled now'))
  })

  test('what can never be looked for ends all the same, and makes room for others', async (t) => {
    const simulator = await openSimulator(t)
    const match = { method: 'GET', path: ENVIRONMENTS }
    simulator.faults.add({ kind: 'status', status: 403, match })
    const options = { simulator, leaseMs: 200, runnerLeaseMs: 60_000, giveUpAfterMs: 100 }
    const desk = openInstance(t, { database: await createDatabase(t), ...options })
    const id = await left(desk, 'environment', 'dev')
    desk.settler.begin()
    await until('it is given up', async () => (await desk.entries()).length > 0)
    t.match(await desk.entries(), [
      { subjectId: id, outcome: 'failed', details: { reason: /its outcome could not be told/ } },
    ])
    t.same(await desk.events(), [])
    simulator.faults.clear()
    t.match(await desk.environments.create(environment('test'), ANNA), { outcome: 'created' })
  })

  test('a turn that does not come names what is ahead, and keeps out no other kind', async (t) => {
    const simulator = await openSimulator(t)
    // A minute of it is 600 ms.
    const runnerClock = { ...systemClock, elapsed: () => performance.now() * 100 }
    const database = await createDatabase(t)
    const desk = openInstance(t, { database, simulator, runnerClock })
    const id = await left(desk, 'environment', 'dev')
    const create = () => desk.environments.create(environment('test'), ANNA)
    const waiting = Array.from({ length: 8 }, create)
    const refused = Promise.allSettled(waiting)
    await t.rejects(create(), { code: 'overloaded', message: /^8 operations like this one/ })
    t.match(await desk.allowlists.create(OFFICE, ANNA), { outcome: 'created' })
    for (const { reason } of (await refused) as PromiseRejectedResult[]) {
      t.match(reason, {
        code: 'overloaded',
        message: new RegExp(`${id} has no end yet, begun at 2`),
      })
    }
  })

  test('what is open is told of until it has an end', async (t) => {
    const simulator = await openSimulator(t)
    simulator.faults.add({ kind: 'status', status: 403, match: { path: ENVIRONMENTS } })
    const desk = openInstance(t, { database: await createDatabase(t), simulator, leaseMs: 100 })
    await left(desk, 'environment', 'dev')
    desk.settler.begin()
    const last = () => desk.seen.at(-1)?.environment
    await until('it is seen', () => (last()?.oldestMs ?? 0) >= 50)
    t.match(desk.seen.at(-1), {
      environment: { count: 1 },
      'ip-allowlist': { count: 0, oldestMs: 0 },
    })
    simulator.faults.clear()
    await until('it is settled', () => last()?.count === 0)
    t.equal(last()?.oldestMs, 0)
  })

  test('a request has one hash, however it ends', async (t) => {
    const simulator = await openSimulator(t)
    const desk = openInstance(t, { database: await createDatabase(t), simulator })
    simulator.faults.add({ kind: 'status', status: 403, match: { path: ALLOWLISTS }, times: 1 })
    await t.rejects(desk.allowlists.create(OFFICE, ANNA), { code: 'upstream-refused' })
    await desk.allowlists.create(OFFICE, ANNA)
    await desk.allowlists.create({ ...OFFICE, callerAddress: '8.8.8.8' }, ANNA).catch(() => 0)
    const own = { ...list(OURS), callerAddress: '8.8.8.8' }
    await desk.organization.replace(own, ANNA).catch(() => 0)
    simulator.world.ipAddressAllowlist = ['8.8.8.0/24']
    const entries = await desk.entries()
    const hashes = entries.map(({ details }) => details['payloadHash'])
    const [first, , , , misplaced, refused] = hashes
    t.same(hashes.slice(0, 4), [first, first, first, first])
    t.not(misplaced, first)
    t.match(entries[4], {
      outcome: 'refused',
      details: { reason: 'invalid', fields: ['callerAddress'] },
    })
    t.match(entries[5], {
      outcome: 'refused',
      details: { reason: 'conflict', fields: ['callerAddress'] },
    })
    simulator.world.ipAddressAllowlist = []
    await desk.organization.replace(list(OURS), ANNA)
    await desk.organization.replace(list(OURS), ANNA)
    const [started, , again] = (await desk.entries()).slice(6)
    t.equal(started?.details['payloadHash'], again?.details['payloadHash'])
    t.not(started?.details['payloadHash'], refused)
  })
}
