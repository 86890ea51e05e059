import type { SimulatedEntry } from '../domain/simulation.ts'
import { describeGrant } from './role-changes.ts'
import type { SimulationHead } from './simulation.ts'
import type { Column } from './table-text.ts'

/** Lines of a list that are shown; JSON has all. */
const SHOWN = 50

/** What a person wants to know before applying: counts, then every finding on a line. */
export function simulationLines(head: SimulationHead): readonly string[] {
  const { revision, blastRadius, blockedUsers, truncated, sunsetsKnown } = head
  const { users, clients, grantsAdded, grantsRemoved, orphanedPermissions } = blastRadius
  return [
    `revision ${revision}: ${count(users, 'user')} and ${count(clients, 'client')} would have other permissions`,
    `${count(grantsAdded, 'grant')} would be added, ${grantsRemoved} removed`,
    ...(blockedUsers > 0 ? [`${count(blockedUsers, 'user')} would be skipped for a rule`] : []),
    ...findingLines(head),
    ...orphanedPermissions.map((code) => `nobody would hold ${code} any longer`).slice(0, SHOWN),
    ...(truncated ? ['there is more than the service tells of'] : []),
    ...(sunsetsKnown ? [] : ['what ends by itself already could not be read']),
  ]
}

function findingLines(head: SimulationHead): readonly string[] {
  const lists = [
    head.conflicts.map((each) => {
      return `conflict (${each.status}): ${nameOf(each)}: ${each.rule}: ${each.message}`
    }),
    head.lockouts.map(({ userName, permissions }) => {
      return `lockout: ${userName} would lose ${permissions.join(', ')}`
    }),
    head.sunsets.map((each) => {
      const until = each.until === null ? 'would no longer end by itself' : `until ${each.until}`
      return `sunset (${each.change}): ${nameOf(each)}: ${describeGrant(each)} ${until}`
    }),
    head.withoutEffect.map((each) => {
      const grant = `${each.operation} ${describeGrant(each)}`
      return `without effect (${each.reason}): ${nameOf(each)}: ${grant}`
    }),
    head.keptThroughGroups.map((each) => {
      const groups = each.groups.map(({ name }) => name).join(', ')
      return `kept through groups: ${nameOf(each)}: ${each.permission} by ${groups}`
    }),
    head.licences.map(({ roleName, licences, gained, lost }) => {
      const names = licences.length === 0 ? 'none' : licences.join(', ')
      return `licences of ${roleName} (${names}): ${gained} gained, ${lost} lost`
    }),
  ]
  return lists.flatMap((lines) => {
    const more = lines.length - SHOWN
    return more > 0 ? [...lines.slice(0, SHOWN), `and ${more} more of these`] : lines
  })
}

function nameOf(each: { readonly userName?: string; readonly userId: string }): string {
  return each.userName ?? each.userId
}

function count(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? '' : 's'}`
}

export const ENTRY_COLUMNS: readonly Column<SimulatedEntry>[] = [
  { name: 'user', value: ({ userName }) => userName },
  { name: 'blocked', value: ({ blocked }) => (blocked ? 'yes' : '') },
  { name: 'added', value: ({ addedPermissions }) => addedPermissions, wrap: true },
  { name: 'removed', value: ({ removedPermissions }) => removedPermissions, wrap: true },
  {
    name: 'divisions',
    value: ({ divisions }) => divisions.map(({ divisionName }) => divisionName),
  },
  { name: 'userId', value: ({ userId }) => userId, whole: true },
]
