import { divisionReference } from './division-json.ts'
import { groupReference } from './group-json.ts'
import type { DivisionRecord, GroupRecord, RoleRecord, UserRecord } from './records.ts'
import { effectivePolicy } from './role-json.ts'
import type { World } from './world.ts'

const groupTexts = new WeakMap<GroupRecord, string>()

function groupText(group: GroupRecord): string {
  let text = groupTexts.get(group)
  if (text === undefined) {
    text = JSON.stringify(groupReference(group))
    groupTexts.set(group, text)
  }
  return text
}

const divisionTexts = new WeakMap<DivisionRecord, string>()

function divisionText(world: World, id: string): string {
  const division = world.divisions.get(id)
  if (division === undefined) return JSON.stringify(divisionReference(world, id))
  let text = divisionTexts.get(division)
  if (text === undefined) {
    text = JSON.stringify(divisionReference(world, id))
    divisionTexts.set(division, text)
  }
  return text
}

/**
 * Letters beyond Latin-1 as escapes: one of them would make the whole page a string of two bytes a
 * letter, which takes twice as long to join and to send. Other letters go out as UTF-8.
 */
function quoted(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[\u0100-\uffff]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function optionalField(name: string, value: string | undefined): string {
  return value === undefined ? '' : `"${name}":${JSON.stringify(value)},`
}

/**
 * A user without the closing brace. Built by hand: pages of 500 users are what callers read most,
 * and this is several times as fast as stringifying an object for each.
 */
function openUser(world: World, user: UserRecord): string {
  const id = JSON.stringify(user.id)
  const bareId = id.slice(1, -1)
  const email = JSON.stringify(user.email)
  return (
    `{"id":${id},"name":${quoted(user.name)},` +
    `"division":${divisionText(world, user.divisionId)},` +
    `"chat":{"jabberId":"${bareId}@conference.example"},` +
    optionalField('department', user.department) +
    `"email":${email},` +
    `"primaryContactInfo":[{"address":${email},"mediaType":"EMAIL","type":"PRIMARY"}],` +
    `"addresses":[],"state":"${user.state}",` +
    optionalField('title', user.title) +
    `"username":${email},"version":${user.version},"acdAutoAnswer":false,` +
    `"selfUri":"/api/v2/users/${bareId}"`
  )
}

/** `groups` and `authorization` are there only when asked for. */
export function userText(world: World, user: UserRecord, expand: readonly string[]): string {
  let text = openUser(world, user)
  if (expand.includes('groups')) text += `,"groups":[${groupsText(world, user)}]`
  if (expand.includes('authorization') || expand.includes('authorization.unusedRoles')) {
    text += `,"authorization":${authorizationText(world, user.id)}`
  }
  return `${text}}`
}

function groupsText(world: World, user: UserRecord): string {
  const texts: string[] = []
  for (const groupId of user.groups) {
    const group = world.groups.get(groupId)
    if (group !== undefined) texts.push(groupText(group))
  }
  return texts.join(',')
}

/** The distinct roles of a user, inherited ones included. */
export function effectiveRoles(world: World, subjectId: string): RoleRecord[] {
  const ids = new Set(world.effectiveGrants(subjectId).map((grant) => grant.roleId))
  return [...ids].flatMap((id) => world.roles.get(id) ?? [])
}

/** Roles and permissions that the user has anywhere; this form knows no divisions. */
export function authorizationText(world: World, userId: string): string {
  const roles = effectiveRoles(world, userId)
  const permissions = new Set<string>()
  for (const role of roles) {
    for (const name of role.permissions) permissions.add(name)
    for (const policy of role.policies) {
      for (const action of policy.actionSet) {
        permissions.add(`${policy.domain}:${policy.entityName}:${action}`)
      }
    }
  }
  return JSON.stringify({
    roles: roles.map(({ id, name }) => ({ id, name })),
    unusedRoles: [],
    permissions: [...permissions],
    permissionPolicies: roles.flatMap((role) =>
      role.policies.map((policy) => effectivePolicy(role, policy)),
    ),
  })
}
