import type { Simulator } from '../../../simulator/server.ts'
import { SMALL_WORLD, smallWorld } from '../../../simulator/small-world.ts'
import type { World } from '../../../simulator/world.ts'
import type { Question } from './caller.ts'
import { readOutcome } from './questions.ts'

const { users, roles, groups, divisions } = SMALL_WORLD

const id = (kind: string, position: number): string =>
  `${kind}0000000-0000-4000-9000-${String(position).padStart(12, '0')}`

const CROWD = 520
const GROUPS = 505
const DIVISIONS = 105
const LATE_DIVISION = id('d', 999)
const SECOND_SUPERVISOR = id('b', 999)

/**
 * The small world among so many others that users, holders, groups and divisions each need more
 * than one page; the last of the crowd and the last division stand on the last pages.
 */
export function crowdedWorld(): World {
  const world = smallWorld()
  for (let position = 0; position < GROUPS; position++) {
    const name = `Team ${position}`
    world.groups.set(id('e', position), {
      id: id('e', position),
      name,
      rolesEnabled: true,
      version: 1,
    })
  }
  for (let position = 0; position < DIVISIONS; position++) {
    const name = `Division ${position}`
    world.divisions.set(id('d', position), { id: id('d', position), name, home: false })
  }
  for (let position = 0; position < CROWD; position++) {
    world.putUser({
      id: id('a', position),
      name: `Zoe ${String(position).padStart(4, '0')}`,
      email: '',
      state: 'active',
      divisionId: divisions.home,
      groups: [id('e', position % GROUPS)],
      version: 1,
    })
    world.grants.add(id('a', position), roles.employee, divisions.home)
    if (position % 2 === 0) world.grants.add(id('a', position), roles.agent, divisions.sales)
  }
  return world
}

const LAST = id('a', CROWD - 1)
const LAST_GROUP = id('e', GROUPS - 1)
const LAST_DIVISION = id('d', DIVISIONS - 1)

/** A move takes something from one place and gives it to another, in a single step. */
const MOVES: readonly ((simulator: Simulator, there: boolean) => void)[] = [
  // Between two holders of one role, on different pages.
  ({ grant, revoke }, there) => {
    const [from, to] = there ? [users.alice, LAST] : [LAST, users.alice]
    revoke(from, roles.agent, divisions.sales)
    grant(to, roles.agent, divisions.sales)
  },
  // Between two roles.
  ({ grant, revoke }, there) => {
    const [from, to] = [roles.supervisor, roles.telephonyAdmin]
    revoke(users.bob, there ? from : to, '*')
    grant(users.bob, there ? to : from, '*')
  },
  // Between two divisions.
  ({ grant, revoke }, there) => {
    const [from, to] = [divisions.sales, LAST_DIVISION]
    revoke(users.ivan, roles.agent, there ? from : to)
    grant(users.ivan, roles.agent, there ? to : from)
  },
  // Between a person and a group.
  ({ grant, revoke }, there) => {
    revoke(there ? users.heidi : LAST_GROUP, roles.telephonyAdmin, divisions.home)
    grant(there ? LAST_GROUP : users.heidi, roles.telephonyAdmin, divisions.home)
  },
  // What carries roles: one group more, one group less.
  ({ updateGroup }, there) => {
    updateGroup(groups.bookClub, { rolesEnabled: there })
    updateGroup(groups.nightShift, { rolesEnabled: !there })
  },
  // Who is in a group.
  ({ updateUser }, there) => {
    updateUser(users.judy, { groups: there ? [groups.nightShift] : [groups.salesLeads] })
    updateUser(users.carol, { groups: there ? [groups.salesLeads] : [groups.nightShift] })
  },
  // Who is active.
  ({ updateUser }, there) => {
    updateUser(users.frank, { state: there ? 'active' : 'inactive' })
    updateUser(users.olivia, { state: there ? 'inactive' : 'active' })
  },
  // What two roles give.
  ({ updateRole, world }, there) => {
    const flat = ['group_creation']
    updateRole(roles.groupCreator, { permissions: there ? [] : flat })
    updateRole(roles.agent, { permissions: there ? flat : [] })
    const given = [{ domain: 'recording', entityName: 'recording', actionSet: ['view'] }]
    const others = [{ domain: 'gdpr', entityName: 'request', actionSet: ['*'] }]
    updateRole(roles.employee, {
      policies: [
        ...(world.roles.get(roles.employee)?.policies ?? []).filter(({ domain }) => {
          return domain === 'directory'
        }),
        ...(there ? given : others),
      ],
    })
  },
  // A role, a division and a permission that are there at one time only.
  ({ addRole, deleteRole, addDivision, grant, world }, there) => {
    const listed = world.catalogue.filter(({ action }) => action !== 'teleport')
    if (there) {
      addDivision({ id: LATE_DIVISION, name: 'Late' })
      addRole({
        id: SECOND_SUPERVISOR,
        name: 'Second supervisor',
        policies: [{ domain: 'routing', entityName: 'queue', actionSet: ['*'] }],
      })
      grant(users.dave, SECOND_SUPERVISOR, LATE_DIVISION)
      const example = listed.find((each) => each.domain === 'routing' && each.entity === 'queue')
      if (example) world.catalogue = [...listed, { ...example, action: 'teleport' }]
    } else {
      if (world.roles.has(SECOND_SUPERVISOR)) deleteRole(SECOND_SUPERVISOR)
      world.divisions.delete(LATE_DIVISION)
      world.catalogue = listed
    }
  },
]

export type Side = 'old' | 'new'

/** Changes the whole organisation at once; every fact kind moves. */
export function turnTo(simulator: Simulator, side: Side): void {
  for (const move of MOVES) move(simulator, side === 'new')
}

const PERMISSIONS = [
  'routing:queue:view',
  'routing:queue:edit',
  'routing:queue:teleport',
  'telephony:plugin:all',
  'directory:userProfile:view',
  'recording:recording:view',
  'gdpr:request:view',
  'group_creation',
]

/** Questions that two organisations answer differently, most of them. */
export const TELLING_QUESTIONS: readonly Question[] = [...Object.values(users), LAST].flatMap(
  (userId) => {
    const places = [undefined, divisions.sales, LAST_DIVISION, LATE_DIVISION]
    return PERMISSIONS.flatMap((permission) => {
      return places.map((divisionId) => ({ userId, permission, divisionId }))
    })
  },
)

/** What the world as it stands now answers to the telling questions. */
export function outcomesOf(world: World): string[] {
  return TELLING_QUESTIONS.map((question) => readOutcome(world, question))
}
