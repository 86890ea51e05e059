import type { Condition } from '../domain/condition.ts'
import type { PolicyFact, RoleFact } from '../domain/facts.ts'
import { WILDCARD } from '../domain/permission.ts'
import { listIn, objectIn, optionalTextIn, optionalTextsIn } from './answer-shape.ts'
import { textIn, textsIn } from './answer-shape.ts'
import type { JsonObject } from '../domain/json-shape.ts'
import { mapCondition } from './map-condition.ts'

/** A `DomainOrganizationRole`. Throws `upstream-broken` when what it gives is not all there. */
export function mapRole(entity: unknown): RoleFact {
  const role = objectIn(entity, 'a role')
  const id = textIn(role, 'id', 'a role')
  const where = `role ${id}`
  const licences = [
    optionalTextIn(role, 'baseLicense', where),
    ...optionalTextsIn(role, 'addonLicenses', where),
  ]
  return {
    id,
    name: optionalTextIn(role, 'name', where),
    defaultRoleId: optionalTextIn(role, 'defaultRoleId', where),
    licences: licences.filter((licence) => licence !== ''),
    permissions: optionalTextsIn(role, 'permissions', where),
    policies: listIn(role, 'permissionPolicies', where).map((policy) => {
      return mapPolicy(objectIn(policy, where), `a policy of ${where}`)
    }),
  }
}

function mapPolicy(policy: JsonObject, where: string): PolicyFact {
  const condition = mapCondition(policy['resourceConditionNode'], where)
  const narrowed = narrowing(optionalTextsIn(policy, 'namedResources', where))
  return {
    domain: textIn(policy, 'domain', where),
    entity: textIn(policy, 'entityName', where),
    actions: textsIn(policy, 'actionSet', where),
    condition: both(condition, narrowed),
  }
}

/**
 * Named resources narrow a policy to single things by name. Which name stands for what is not
 * known here, so such a policy holds under a condition that nothing can decide.
 */
function narrowing(names: readonly string[]): Condition | null {
  if (names.length === 0 || (names.length === 1 && names[0] === WILDCARD)) return null
  return {
    variableName: 'namedResource',
    operator: 'IN',
    operands: names.map((value) => ({ type: 'NAMED_RESOURCES', value })),
  }
}

function both(first: Condition | null, second: Condition | null): Condition | null {
  if (first === null || second === null) return first ?? second
  return { conjunction: 'AND', terms: [first, second] }
}
