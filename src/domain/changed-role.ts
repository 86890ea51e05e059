import { editRole } from './edit-role.ts'
import { effectiveGrants } from './effective-grants.ts'
import type { EffectiveGrants } from './effective-grants.ts'
import { Failure } from './failure.ts'
import type { RoleFact } from './facts.ts'
import type { Matrix } from './matrix.ts'
import { addDifference, bitsWithout, heldBits, isEmptyRow } from './permission-bits.ts'
import type { PermissionBits } from './permission-bits.ts'
import { PolicyMatcher } from './role-permissions.ts'
import { findRole, readPermission, readRole } from './role-records.ts'
import { matrixRows, setBit, withRole } from './role-rows.ts'
import { RowProjection } from './row-projection.ts'
import type { RoleEdit } from './simulation.ts'
import { forEachGrant, isActive } from './subject-assignments.ts'
import type { ChangedWorld, SubjectChange } from './subject-change.ts'

/** The world with one role edited. Throws `invalid` for a role that it does not have. */
export function changeRole(matrix: Matrix, edit: RoleEdit): ChangedWorld {
  const role = findRole(matrix, edit.roleId)
  if (role < 0) throw new Failure('invalid', `no role has the id ${edit.roleId}`)
  const before = matrixRows(matrix)
  const edited = roleBits(matrix, editRole(readRole(matrix, role), edit))
  const after = withRole(before, role, edited.given, edited.conditional)
  const old = roleBits(matrix, readRole(matrix, role))
  const touched = new Uint32Array(matrix.permissionWords)
  addDifference(old, edited, touched)
  const words = [...touched.keys()].filter((word) => touched[word] !== 0)
  const projection = new RowProjection(words, matrix.permissionWords)
  const lost = projection.cut(bitsWithout(heldBits(old), heldBits(edited)))
  return { before, after, changes: holders(matrix, role, lost), projection, editedRole: role }
}

/** What a role gives, as building the matrix has it: what is given may be conditional besides. */
function roleBits(matrix: Matrix, role: RoleFact): PermissionBits {
  const given = new Uint32Array(matrix.permissionWords)
  const conditional = new Uint32Array(matrix.permissionWords)
  for (const code of role.permissions) {
    const index = matrix.findPermission(code)
    if (index >= 0) setBit(given, index)
  }
  const permissions = Array.from({ length: matrix.permissionCount }, (_, i) => {
    return readPermission(matrix, i)
  })
  const matcher = new PolicyMatcher(permissions)
  for (const policy of role.policies) {
    const bits = policy.condition === null ? given : conditional
    for (const permission of matcher.matches(policy)) setBit(bits, permission)
  }
  return { given, conditional }
}

/** The active subjects that hold the role, directly or through a group. */
function* holders(matrix: Matrix, role: number, lost: Uint32Array): Generator<SubjectChange> {
  for (let subject = 0; subject < matrix.subjectCount; subject++) {
    if (!isActive(matrix, subject) || !holdsRole(matrix, subject, role)) continue
    const grants = effectiveGrants(matrix, subject)
    const places = divisionsOf(grants, role)
    const dropped = isEmptyRow(lost) ? [] : [...places].map((place) => ({ place, bits: lost }))
    yield { subject, before: grants, after: grants, places, dropped }
  }
}

function holdsRole(matrix: Matrix, subject: number, role: number): boolean {
  let holds = false
  forEachGrant(matrix, subject, (grant) => {
    if (grant >>> matrix.divisionBits === role) holds = true
  })
  return holds
}

function divisionsOf(grants: EffectiveGrants, role: number): Set<number> {
  const divisions = new Set<number>()
  for (const [i, held] of grants.roles.entries()) {
    if (held === role) divisions.add(grants.divisions[i] as number)
  }
  return divisions
}
