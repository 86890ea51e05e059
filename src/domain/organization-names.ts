import { ALL_DIVISIONS } from './facts.ts'
import { Failure } from './failure.ts'
import type { Grant } from './facts.ts'
import type { Matrix } from './matrix.ts'
import type { ServedMatrices } from './served.ts'

/** What ids are called in the organisation; undefined for those that it no longer has. */
export type OrganizationNames = {
  user(id: string): string | undefined
  role(id: string): string | undefined
  division(id: string): string | undefined
}

const NO_NAMES: OrganizationNames = {
  user: () => undefined,
  role: () => undefined,
  division: () => undefined,
}

/** Names as the served matrix has them; none while there is none: ids must do then. */
export function servedNames(matrices: ServedMatrices): OrganizationNames {
  try {
    return namesOf(matrices.current())
  } catch (error) {
    if (error instanceof Failure) return NO_NAMES
    throw error
  }
}

export function namesOf(matrix: Matrix): OrganizationNames {
  let roles: Map<string, string> | undefined
  const readRoles = (): Map<string, string> => {
    const named = Array.from({ length: matrix.roleCount }, (_, index) => matrix.role(index))
    return new Map(named.map(({ id, name }) => [id, name]))
  }
  return {
    user(id) {
      const index = matrix.findSubject(id)
      return index < 0 ? undefined : matrix.subjectName(index)
    },
    role(id) {
      roles ??= readRoles()
      return roles.get(id)
    },
    division(id) {
      if (id === ALL_DIVISIONS) return 'all divisions'
      const index = matrix.findDivision(id)
      return index < 0 ? undefined : matrix.division(index).name
    },
  }
}

/** A grant as it is told: ids, with names where they are known. */
export type NamedGrant = Grant & {
  readonly roleName?: string
  readonly divisionName?: string
  readonly until?: string
}

export function nameGrant(
  grant: Grant & { readonly until?: string },
  names: OrganizationNames,
): NamedGrant {
  const roleName = names.role(grant.roleId)
  const divisionName = names.division(grant.divisionId)
  return {
    roleId: grant.roleId,
    ...(roleName === undefined ? {} : { roleName }),
    divisionId: grant.divisionId,
    ...(divisionName === undefined ? {} : { divisionName }),
    ...(grant.until === undefined ? {} : { until: grant.until }),
  }
}
