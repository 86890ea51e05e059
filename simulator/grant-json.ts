import { divisionReference, grantedDivision } from './division-json.ts'
import type { RoleRecord, SubjectGrant } from './records.ts'
import { grantedRole } from './role-json.ts'
import type { Subject, World } from './world.ts'

/** Every grant repeats its role with all policies: made once for each state of a role. */
const grantedRoles = new WeakMap<RoleRecord, string>()

function grantedRoleText(world: World, roleId: string): string {
  const role = world.roles.get(roleId)
  if (role === undefined) return JSON.stringify({ id: roleId })
  let text = grantedRoles.get(role)
  if (text === undefined) {
    text = JSON.stringify(grantedRole(role))
    grantedRoles.set(role, text)
  }
  return text
}

/** `subjectId` is who holds the grant: for an inherited one the group, not the user. */
export function grantText(world: World, grant: SubjectGrant): string {
  const subjectId = JSON.stringify(grant.subjectId)
  const division = JSON.stringify(grantedDivision(world, grant.divisionId))
  const role = grantedRoleText(world, grant.roleId)
  return `{"subjectId":${subjectId},"division":${division},"role":${role}}`
}

/** All that a subject may act by. Without duplicates, the first source of a grant is named. */
export function subjectText(world: World, subject: Subject, includeDuplicates: boolean): string {
  const seen = new Set<string>()
  const grants = world.effectiveGrants(subject.id).filter(({ roleId, divisionId }) => {
    const key = `${roleId} ${divisionId}`
    const first = !seen.has(key)
    seen.add(key)
    return first || includeDuplicates
  })
  const head = {
    id: subject.id,
    name: subject.name,
    version: world.user(subject.id)?.version ?? 1,
    selfUri: `/api/v2/authorization/subjects/${subject.id}`,
  }
  const texts = grants.map((grant) => grantText(world, grant))
  return `${JSON.stringify(head).slice(0, -1)},"grants":[${texts.join(',')}]}`
}

/** One direct holder of a role, with the divisions it holds the role in. */
export function subjectOfRoleText(world: World, subjectId: string, roleId: string): string {
  const divisions: object[] = []
  for (const grant of world.grants.ofSubject(subjectId)) {
    if (grant.roleId === roleId) divisions.push(divisionReference(world, grant.divisionId))
  }
  const subject = world.subject(subjectId)
  return JSON.stringify({
    id: subjectId,
    ...(subject && { name: subject.name }),
    divisions,
    type: subject?.type ?? 'UNKNOWN',
    selfUri: `/api/v2/authorization/subjects/${subjectId}`,
  })
}
