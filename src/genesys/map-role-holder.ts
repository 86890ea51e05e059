import { listIn, objectIn, optionalTextIn, textIn } from './answer-shape.ts'

/** One direct holder of a role and where it holds it; kinds as the platform names them. */
export type RoleHolder = {
  readonly id: string
  readonly name: string
  readonly type: string
  /** `*` may be among them. */
  readonly divisionIds: readonly string[]
}

/** A `SubjectDivisionGrants` of a role's listing. */
export function mapRoleHolder(entity: unknown, roleId: string): RoleHolder {
  const holder = objectIn(entity, `a holder of role ${roleId}`)
  const id = textIn(holder, 'id', `a holder of role ${roleId}`)
  const where = `holder ${id} of role ${roleId}`
  return {
    id,
    name: optionalTextIn(holder, 'name', where),
    type: textIn(holder, 'type', where),
    divisionIds: listIn(holder, 'divisions', where).map((division) => {
      return textIn(objectIn(division, where), 'id', where)
    }),
  }
}
