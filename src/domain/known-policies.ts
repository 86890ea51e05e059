import { checkCondition } from './check-condition.ts'
import type { PolicyFact } from './facts.ts'
import type { FaultList } from './fault-list.ts'
import type { Matrix } from './matrix.ts'
import { nearestName, policyName, WILDCARD } from './permission.ts'
import { readPermission } from './role-records.ts'

/** What a policy says, its condition aside. */
export type PolicyParts = Omit<PolicyFact, 'condition'>

/** Action → whether the permission may be given under a condition. */
type KnownActions = ReadonlyMap<string, boolean>

/** The catalogue as policies speak of it: domain → entity → actions. */
export class KnownPolicies {
  readonly #domains = new Map<string, Map<string, Map<string, boolean>>>()

  constructor(matrix: Matrix) {
    for (let index = 0; index < matrix.permissionCount; index++) {
      const permission = readPermission(matrix, index)
      const { domain, entity, action, allowsConditions } = permission
      if (permission.flat) continue
      let entities = this.#domains.get(domain)
      if (entities === undefined) this.#domains.set(domain, (entities = new Map()))
      const actions = entities.get(entity)
      if (actions === undefined) entities.set(entity, new Map([[action, allowsConditions]]))
      else actions.set(action, allowsConditions)
    }
  }

  /**
   * Adds a fault for each part that names nothing; `*` is any entity or action, never any domain. A
   * condition must be one that can be decided, on a permission that takes conditions.
   */
  check(
    policy: PolicyParts & { readonly condition?: PolicyFact['condition'] | undefined },
    field: string,
    faults: FaultList,
  ): void {
    const { domain, entity, actions, condition } = policy
    if (actions.length === 0) faults.add(`${field}/actions`, 'must name at least one action')
    if (condition) checkCondition(condition, `${field}/condition`, faults)
    const entities = this.#domains.get(domain)
    if (entities === undefined) {
      faults.add(`${field}/domain`, unknown('domain', domain, '', this.#domains.keys()))
      return
    }
    const known = entity === WILDCARD ? unionOf(entities.values()) : entities.get(entity)
    if (known === undefined) {
      faults.add(`${field}/entity`, unknown('entity', entity, domain, entities.keys()))
      return
    }
    for (const [i, action] of actions.entries()) {
      if (action === WILDCARD || known.has(action)) continue
      const place = `${domain}:${entity}`
      faults.add(`${field}/actions/${i}`, unknown('action', action, place, known.keys()))
    }
    if (condition && !takesConditions(known, actions)) {
      faults.add(`${field}/condition`, `no permission of ${policyName(policy)} takes conditions`)
    }
  }
}

function takesConditions(known: KnownActions, actions: readonly string[]): boolean {
  return actions.includes(WILDCARD)
    ? [...known.values()].includes(true)
    : actions.some((action) => known.get(action) !== false)
}

function unionOf(entities: Iterable<KnownActions>): KnownActions {
  const union = new Map<string, boolean>()
  for (const actions of entities) {
    for (const [action, takes] of actions) union.set(action, takes || union.get(action) === true)
  }
  return union
}

function unknown(
  what: string,
  asked: string,
  place: string,
  known: Iterable<string>,
): (hint: boolean) => string {
  return (withHint) => {
    const nearest = withHint ? nearestName(asked, known) : undefined
    const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`
    return `the catalogue has no ${what} ${asked}${place === '' ? '' : ` in ${place}`}${hint}`
  }
}
