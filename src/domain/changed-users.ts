import { effectiveGrants } from './effective-grants.ts'
import type { GrantTranslator } from './effective-grants.ts'
import type { Grant } from './facts.ts'
import { Failure } from './failure.ts'
import { applyDelta } from './grant-sets.ts'
import type { Matrix } from './matrix.ts'
import { heldBits } from './permission-bits.ts'
import { grantContext, planGrants } from './plan-grants.ts'
import type { GrantContext } from './plan-grants.ts'
import type { UserChange } from './role-change.ts'
import { matrixRows } from './role-rows.ts'
import type { RoleRows } from './role-rows.ts'
import { RowProjection } from './row-projection.ts'
import type { ChangedWorld, SubjectChange } from './subject-change.ts'

/**
 * The world with users' direct grants changed, every user once. Grants of roles or divisions that it
 * does not have give nothing. Throws `invalid` for a user that it does not have.
 */
export function changeUsers(
  matrix: Matrix,
  translator: GrantTranslator,
  changes: readonly UserChange[],
): ChangedWorld {
  const rows = matrixRows(matrix)
  const context = grantContext(matrix)
  const words = Array.from({ length: matrix.permissionWords }, (_, word) => word)
  return {
    before: rows,
    after: rows,
    changes: changes.map((change) => changeUser(matrix, translator, rows, context, change)),
    projection: new RowProjection(words, matrix.permissionWords),
    editedRole: -1,
  }
}

function changeUser(
  matrix: Matrix,
  translator: GrantTranslator,
  rows: RoleRows,
  context: GrantContext,
  { userId, intent }: UserChange,
): SubjectChange {
  const subject = matrix.findSubject(userId)
  if (subject < 0) throw new Failure('invalid', `no user has the id ${userId}`)
  const before = effectiveGrants(matrix, subject)
  const direct = translator.direct(before)
  const delta = planGrants(intent, direct, context)
  const after = translator.withDirect(before, applyDelta(direct, delta))
  const dropped = dropsOf(translator, rows, delta.remove)
  const changed = translator.places([...delta.add, ...delta.remove])
  const places = new Set(changed.filter((place) => place >= 0))
  return { subject, before, after, places, dropped, planned: { intent, delta } }
}

function dropsOf(
  translator: GrantTranslator,
  rows: RoleRows,
  removed: readonly Grant[],
): SubjectChange['dropped'] {
  const places = translator.places(removed)
  return removed.map(({ roleId }, i) => {
    const role = translator.roleIndex(roleId)
    const conditional = rows.conditional(role)
    const given = rows.given(role)
    const bits = conditional === undefined ? given : heldBits({ given, conditional })
    return { place: places[i] as number, bits }
  })
}
