import { test } from 'tap'
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

/** Longer than a busy machine stands still. */
const LEASE_MS = 60_000
const HASH = /^[0-9a-f]{64}$/

function die(): void {
  throw new Error('killed')
}

function list(...networks: string[]) {
  return { entries: networks.map((ipAddress) => ({ ipAddress })) }
}

/** Networks and environments from the request to the trail and the outbox, on either database. */
export function testArchitecture(createDatabase: CreateDatabase): void {
  test('a list is created, told before and after, and announced; its content is not in clear', async (t) => {
    const simulator = await openSimulator(t)
    const desk = openInstance(t, { database: await createDatabase(t), simulator })
    const created = await desk.allowlists.create(OFFICE, ANNA)
    t.match(created, { outcome: 'created', attempts: 1, item: { name: 'Office' }, warnings: [] })
    const [before, after] = await desk.entries()
    t.match(before, {
      action: 'ip_allowlist_create',
      outcome: 'started',
      actor: 'anna',
      requestId: 'request-1',
    })
    t.equal(before?.subjectId, after?.subjectId)
    t.match(after, {
      outcome: 'succeeded',
      after: { id: created.item.id, name: 'Office' },
      details: {
        operation: 'CREATE',
        payloadHash: HASH,
        resultStatus: 'SUCCESS',
        resultId: created.item.id,
        latencyMs: created.latencyMs,
        entryCount: 1,
      },
    })
    t.notMatch(JSON.stringify(await desk.entries()), /8\.8\.8|confidential/)
    t.same(await desk.events(), [
      {
        event: 'ALLOWLIST_CREATED',
        allowlistId: created.item.id,
        name: 'Office',
        entryCount: 1,
        latencyMs: created.latencyMs,
        timestamp: after?.time,
      },
    ])
    t.same(desk.ended, ['ip-allowlist succeeded'])
  })

  test('the same again is what is there; another content, and a bad one, are refused and told', async (t) => {
    const simulator = await openSimulator(t)
    const desk = openInstance(t, { database: await createDatabase(t), simulator })
    const { item } = await desk.allowlists.create(OFFICE, ANNA)
    t.match(await desk.allowlists.preview(OFFICE), { outcome: 'existing' })
    t.match(await desk.allowlists.create(OFFICE, ANNA), { outcome: 'existing', item })
    const other = { ...OFFICE, description: 'another' }
    await t.rejects(desk.allowlists.preview(other), { code: 'conflict', message: item.id })
    await t.rejects(desk.allowlists.create(other, ANNA), { code: 'conflict', message: item.id })
    const bad = { ...OFFICE, entries: [{ ipAddress: '8.8.8.1/24', direction: 'IN' }] }
    await t.rejects(desk.allowlists.create(bad, ANNA), {
      code: 'invalid',
      faults: [{ field: 'entries/0/ipAddress', suggestion: '8.8.8.0/24' }, {}, {}],
    })
    const told = (await desk.entries()).slice(2)
    t.match(told, [
      { outcome: 'started' },
      { outcome: 'unchanged', details: { resultStatus: 'SUCCESS', resultId: item.id } },
      { outcome: 'started' },
      { outcome: 'refused', details: { resultStatus: 'FAILURE', reason: 'conflict' } },
      { outcome: 'refused', subjectId: null, details: { resultStatus: 'FAILURE', entryCount: 1 } },
    ])
    t.equal((await desk.events()).length, 1, 'what is there already is no event')
    t.equal(simulator.world.architecture.ipAllowlists.listed.length, 1)
  })

  test('creations at once, on two instances, do not pass the limit together', async (t) => {
    const database = await createDatabase(t)
    // Nothing that is created is ever listed: only the store knows of it.
    const simulator = await openSimulator(t, { consistencyDelayMs: 1_000, now: () => 0 })
    const desks = ['one', 'two'].map((name) =>
      openInstance(t, { database, simulator, name, maxEnvironments: 2 }),
    )
    const settled = await Promise.allSettled(
      ['dev', 'test', 'stage', 'live'].map(
        async (name, index) => await desks[index % 2]?.environments.create(environment(name), ANNA),
      ),
    )
    const refused = settled.filter(({ status }) => status === 'rejected')
    const both = { code: 'conflict', message: /^2 environments exist, .* allows 2$/ }
    t.match(refused, [{ reason: both }, { reason: both }])
    t.equal(simulator.requests.of(`POST ${ENVIRONMENTS}`), 2)
    const [desk] = desks
    const entries = (await desk?.entries()) ?? []
    t.equal(entries.filter(({ outcome }) => outcome === 'succeeded').length, 2)
    t.equal(entries.filter(({ outcome }) => outcome === 'refused').length, 2)
    const created = entries.find(({ outcome }) => outcome === 'succeeded')
    t.match(created?.details, {
      action: 'CREATE_ENVIRONMENT',
      environment_id: /-/,
      environment_name: /^(dev|test|stage|live)$/,
      latency_ms: Number,
      status: 'SUCCESS',
      operator: 'anna',
      payload_hash: HASH,
    })
    t.match((await desk?.events())?.[0], {
      event: 'environment.created',
      environment_id: created?.details['environment_id'],
      environment_name: created?.details['environment_name'],
      latency_ms: created?.details['latency_ms'],
      timestamp: created?.time,
    })
  })

  test('a lost answer is one creation and one event', async (t) => {
    const simulator = await openSimulator(t)
    const desk = openInstance(t, { database: await createDatabase(t), simulator })
    const lost = { kind: 'lost-answer', times: 1 } as const
    simulator.faults.add({ ...lost, match: { method: 'POST', path: ENVIRONMENTS } })
    simulator.faults.add({ ...lost, match: { method: 'POST', path: ALLOWLISTS } })
    t.match(await desk.environments.create(environment('dev'), ANNA), { outcome: 'recovered' })
    t.match(await desk.allowlists.create(OFFICE, ANNA), { outcome: 'recovered' })
    t.match(await desk.events(), [{ event: 'environment.created' }, { event: 'ALLOWLIST_CREATED' }])
    t.equal(simulator.world.architecture.environments.listed.length, 1)
    t.equal(simulator.world.architecture.ipAllowlists.listed.length, 1)
  })

  test('what is done when its process dies is settled at the next start, by its name', async (t) => {
    const database = await createDatabase(t)
    const simulator = await openSimulator(t)
    const dying = openInstance(t, { database, simulator, leaseMs: 300, onAnswered: die })
    await t.rejects(dying.environments.create(environment('dev'), ANNA), { message: 'killed' })
    await t.rejects(dying.allowlists.create(OFFICE, ANNA), { message: 'killed' })
    await t.rejects(
      dying.organization.replace({ entries: [{ ipAddress: '203.0.113.0/24' }] }, ANNA),
      { message: 'killed' },
    )
    t.same(await dying.events(), [])
    await dying.stop()
    const next = openInstance(t, {
      ...{ database, simulator, name: 'two' },
      ...{ leaseMs: 300, runnerLeaseMs: LEASE_MS },
    })
    next.settler.begin()
    await until('all is settled', async () => (await next.events()).length === 3)
    const [dev] = simulator.world.architecture.environments.listed
    const [office] = simulator.world.architecture.ipAllowlists.listed
    const ends = (await next.entries()).slice(3)
    t.match(ends, [
      {
        outcome: 'succeeded',
        actor: 'anna',
        details: { environment_id: dev?.id, recovered: true },
      },
      { outcome: 'succeeded', details: { resultId: office?.id, payloadHash: HASH } },
      { outcome: 'succeeded', action: 'organization_allowlist_replace' },
    ])
    t.match(await next.events(), [
      { environment_id: dev?.id, environment_name: 'dev' },
      { allowlistId: office?.id, name: 'Office', entryCount: 1 },
      { event: 'ORGANIZATION_ALLOWLIST_REPLACED', entryCount: 1, undo: false },
    ])
    t.match(await next.organization.undo({}, ANNA), { after: [] })
  })

  test('what was not done when its process died is told as failed, once it is sure', async (t) => {
    const database = await createDatabase(t)
    const simulator = await openSimulator(t)
    simulator.faults.add({ kind: 'hang', match: { method: 'POST', path: ENVIRONMENTS } })
    const dying = openInstance(t, { database, simulator, leaseMs: 300, graceMs: 0 })
    const creation = dying.environments.create(environment('dev'), ANNA)
    const asserted = t.rejects(creation, { code: 'overloaded', message: /stopping/ })
    await until('it was sent', () => simulator.requests.of(`POST ${ENVIRONMENTS}`) === 1)
    await dying.stop()
    await asserted
    simulator.faults.clear()
    const next = openInstance(t, {
      ...{ database, simulator, name: 'two' },
      ...{ leaseMs: 300, runnerLeaseMs: LEASE_MS },
    })
    next.settler.begin()
    // It waits until what was begun before it is settled.
    t.match(await next.environments.create(environment('dev'), ANNA), { outcome: 'created' })
    const entries = await next.entries()
    t.match(
      entries.map(({ outcome }) => outcome),
      ['started', 'failed', 'started', 'succeeded'],
    )
    t.match(entries[1]?.details, { status: 'FAILURE', reason: /nothing of it is on the platform/ })
    t.equal((await next.events()).length, 1)
  })

  test('an older namesake is not what a dead process created', async (t) => {
    const database = await createDatabase(t)
    const simulator = await openSimulator(t)
    const { environments } = simulator.world.architecture
    environments.show({
      id: 'old',
      name: 'dev',
      createdDate: '2020-01-01T00:00:00.000Z',
      content: {},
    })
    const first = openInstance(t, { database, simulator, leaseMs: 200 })
    const begun = await first.store.operations.begin(
      {
        kind: 'environment',
        name: 'dev',
        payload: {},
        requestedBy: 'anna',
        requestId: '',
      },
      { owner: 'dead', leaseMs: 1 },
      () => [],
    )
    first.settler.begin()
    await until('it is settled', async () => (await first.entries()).length === 1)
    t.match(await first.entries(), [
      { subjectId: begun?.id, outcome: 'failed', details: { reason: /existed before: old/ } },
    ])
    t.same(await first.events(), [])
  })

  test('an answer that nobody could make sure of is settled later', async (t) => {
    const simulator = await openSimulator(t)
    const desk = openInstance(t, { database: await createDatabase(t), simulator, leaseMs: 200 })
    const lost = { kind: 'lost-answer', times: 1 } as const
    simulator.faults.add({ ...lost, match: { method: 'POST', path: ALLOWLISTS } })
    simulator.faults.add({ kind: 'reset', match: { method: 'GET', path: ALLOWLISTS }, after: 1 })
    await t.rejects(desk.allowlists.create(OFFICE, ANNA), { code: 'upstream-busy' })
    t.equal((await desk.entries()).length, 1, 'no end is told that is not known')
    simulator.faults.clear()
    desk.settler.begin()
    await until('it is settled', async () => (await desk.entries()).length === 2)
    t.match((await desk.entries())[1], { outcome: 'succeeded', details: { recovered: true } })
    t.match(await desk.events(), [{ event: 'ALLOWLIST_CREATED' }])
  })

  test('an end that cannot be recorded is an error to the caller and is settled later', async (t) => {
    let failures = 1
    const simulator = await openSimulator(t)
    const desk = openInstance(t, {
      database: await createDatabase(t),
      simulator,
      leaseMs: 200,
      wrap: (store) => ({
        ahead: (kind) => store.ahead(kind),
        open: () => store.open(),
        begin: (...all) => store.begin(...all),
        renew: (...all) => store.renew(...all),
        claimAbandoned: (...all) => store.claimAbandoned(...all),
        environmentsSince: (...all) => store.environmentsSince(...all),
        undoable: () => store.undoable(),
        markVisible: (id) => store.markVisible(id),
        organizationChangesSince: (time) => store.organizationChangesSince(time),
        end: async (...all) => {
          if (failures-- > 0) throw new Error('the disk is full')
          return await store.end(...all)
        },
      }),
    })
    await t.rejects(desk.allowlists.create(OFFICE, ANNA), {
      code: 'store-unavailable',
      message: /it is done/,
    })
    desk.settler.begin()
    await until('it is settled', async () => (await desk.events()).length === 1)
  })

  test('the organisation’s list is replaced, and taken back unless somebody else changed it', async (t) => {
    const simulator = await openSimulator(t)
    const { world } = simulator
    const desk = openInstance(t, { database: await createDatabase(t), simulator })
    const { organization } = desk
    const ours = '203.0.113.0/24'
    await t.rejects(organization.undo({}, ANNA), { code: 'conflict', message: /no change/ })
    t.match(await organization.preview(list(ours)), {
      before: [],
      added: [ours],
      removed: [],
      kept: [],
      warnings: [{ field: 'entries/0/ipAddress', message: /Documentation/ }],
    })
    await t.rejects(organization.preview({ ...list(ours), callerAddress: '8.8.8.8' }), {
      code: 'conflict',
      field: 'callerAddress',
    })
    t.same(world.ipAddressAllowlist, [])
    const first = await organization.replace(list(ours), ANNA)
    t.match(first, { before: [], after: [ours], added: [ours], visible: true })
    await organization.replace(list(ours, '8.8.8.0/24'), ANNA)
    t.match(await organization.read(), {
      networks: [ours, '8.8.8.0/24'],
      undoable: { before: [ours] },
    })
    await t.rejects(organization.replace(list(), ANNA), { code: 'conflict', field: 'entries' })
    world.ipAddressAllowlist = [ours, '9.9.9.0/24']
    await t.rejects(organization.undo({}, ANNA), {
      code: 'conflict',
      message: /somebody changed it/,
    })
    t.same(world.ipAddressAllowlist, [ours, '9.9.9.0/24'], 'it is left alone')
    world.ipAddressAllowlist = [ours, '8.8.8.0/24']
    await t.rejects(organization.undo({ callerAddress: '8.8.8.8' }, ANNA), { code: 'conflict' })
    await t.rejects(organization.undo({ callerAddress: 'me' }, ANNA), { code: 'invalid' })
    t.match(await organization.undo({ callerAddress: '203.0.113.9' }, ANNA), { after: [ours] })
    t.match(await organization.undo({}, ANNA), { after: [] })
    t.same(world.ipAddressAllowlist, [])
    await t.rejects(organization.undo({}, ANNA), { code: 'conflict', message: /no change/ })
    const told = await desk.entries()
    const undone = told.filter(
      ({ action, outcome }) => action === 'organization_allowlist_undo' && outcome === 'succeeded',
    )
    t.match(undone[1], {
      before: { entryCount: 1, hash: HASH },
      after: { entryCount: 0, hash: HASH },
      details: { operation: 'UNDO', resultStatus: 'SUCCESS', undoes: first.changeId },
    })
    t.notMatch(JSON.stringify(told), /203\.0\.113\.0|9\.9\.9/)
    t.equal((await desk.events()).length, 4)
  })

  test('an organisation without the architecture API is told so, and the trail too', async (t) => {
    const simulator = await openSimulator(t)
    simulator.world.architecture.offered = false
    const desk = openInstance(t, { database: await createDatabase(t), simulator })
    await t.rejects(desk.environments.list(), { code: 'not-offered' })
    await t.rejects(desk.environments.create(environment('dev'), ANNA), { code: 'not-offered' })
    t.match(await desk.entries(), [
      { outcome: 'started' },
      { outcome: 'refused', details: { status: 'FAILURE', environment_id: null } },
    ])
  })

  test('too much at once is refused, and so told', async (t) => {
    const simulator = await openSimulator(t)
    const desk = openInstance(t, { database: await createDatabase(t), simulator, graceMs: 0 })
    simulator.faults.add({ kind: 'hang', match: { method: 'POST', path: ALLOWLISTS } })
    const waiting = Array.from({ length: 8 }, (_, index) =>
      desk.allowlists.create({ ...OFFICE, name: `Office ${index}` }, ANNA),
    )
    const ended = Promise.allSettled(waiting)
    await t.rejects(desk.allowlists.create(OFFICE, ANNA), { code: 'overloaded' })
    const refused = (await desk.entries()).filter(({ outcome }) => outcome === 'refused')
    t.match(refused, [{ details: { resultStatus: 'FAILURE', reason: 'overloaded' } }])
    await desk.stop()
    await ended
  })
}
