import { test } from 'tap'
import { DEFAULT_CLIENT } from '../../simulator/simulated-client.ts'
import { SMALL_WORLD } from '../../simulator/small-world.ts'
import {
  COMMAND_NEEDS,
  permissionText,
  readAccount,
  requirePermissions,
} from '../../src/genesys/command-permissions.ts'
import { openUnderTest } from './platform-under-test.ts'

const { signal } = new AbortController()
const VIEWER = { ...DEFAULT_CLIENT, permissions: ['directory:user:view', 'routing:queue:view'] }

test('an account tells whose client it is and what each command lacks', async (t) => {
  await using full = await openUnderTest()
  const all = await readAccount(full.platform, signal)
  t.match(all, { organization: { name: 'Small World' }, clientId: DEFAULT_CLIENT.id })
  t.ok(all.needs.every(({ state }) => state === 'held'))
  await using context = await openUnderTest({
    clients: [{ ...VIEWER, permissions: [...VIEWER.permissions, 'authorization:grant:view'] }],
  })
  const { needs } = await readAccount(context.platform, signal)
  const missing = needs.filter(({ state }) => state === 'missing')
  t.same([...new Set(missing.map(({ command }) => command))].toSorted(), [
    'analytics queues',
    'queues apply',
    'users provision',
  ])
})

test('a command is refused with all that it lacks, before it writes', async (t) => {
  await using context = await openUnderTest({ clients: [VIEWER] })
  const needs = [...COMMAND_NEEDS.applyQueues, ...COMMAND_NEEDS.addQueues]
  await t.rejects(
    requirePermissions(context.platform, [...needs, ...COMMAND_NEEDS.editMembers], signal),
    {
      code: 'upstream-refused',
      message: /needs a role with routing:queue:add .*, routing:queue:edit or routing:queueMember:/,
    },
  )
  t.same(await requirePermissions(context.platform, COMMAND_NEEDS.listQueues, signal), [])
})

test('each client is asked for what it is used for', async (t) => {
  const writer = { id: SMALL_WORLD.clients.reporting, secret: 'write', name: 'Writer' }
  const clients = [VIEWER, { ...writer, permissions: ['directory:user:add'] }]
  await using context = await openUnderTest({ clients }, { writeClient: writer })
  const { platform } = context
  const needs = [...COMMAND_NEEDS.provision, ...COMMAND_NEEDS.addUsers]
  t.same(await requirePermissions(platform, needs, signal), [])
  t.match(await readAccount(platform, signal), { writeClientId: writer.id })
  const more = [...needs, ...COMMAND_NEEDS.deleteUsers]
  const message = `the OAuth client ${writer.id} needs a role with directory:user:delete`
  await t.rejects(requirePermissions(platform, more, signal), { message: new RegExp(message) })
})

test('a right held in some divisions is told; one that is not told of is left to the platform', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  const me = simulator.world.grants.ofSubject(DEFAULT_CLIENT.id)
  const [grant] = me
  if (grant === undefined) throw new Error('the client has no grant')
  simulator.revoke(DEFAULT_CLIENT.id, grant.roleId, grant.divisionId)
  simulator.grant(DEFAULT_CLIENT.id, grant.roleId, simulator.world.homeDivision().id)
  const elsewhere = await requirePermissions(platform, COMMAND_NEEDS.provision, signal)
  t.same(elsewhere.map(permissionText), ['directory:user:view'])
  const silent = { kind: 'status', status: 403 } as const
  simulator.faults.add({ match: { path: /subjects/ }, ...silent })
  t.same(await requirePermissions(platform, COMMAND_NEEDS.provision, signal), [])
  const { needs } = await readAccount(platform, signal)
  t.ok(needs.every(({ state }) => state === 'unknown'))
})
