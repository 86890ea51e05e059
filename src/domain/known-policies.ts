import type { PolicyFact } from './facts.ts'
import type { FaultList } from './fault-list.ts'
import type { Matrix } from './matrix.ts'
import { nearestName, WILDCARD } from './permission.ts'
import { readPermission } from './role-records.ts'

/** What a policy says, its condition aside. */
export type PolicyParts = Omit<PolicyFact, 'condition'>

/** The catalogue as policies speak of it: domain → entity → actions. */
export class KnownPolicies {
  readonly #domains = new Map<string, Map<string, Set<string>>>()

  constructor(matrix: Matrix) {
    for (let index = 0; index < matrix.permissionCount; index++) {
      const { domain, entity, action, flat } = readPermission(matrix, index)
      if (flat) continue
      let entities = this.#domains.get(domain)
      if (entities === undefined) this.#domains.set(domain, (entities = new Map()))
      const actions = entities.get(entity)
      if (actions === undefined) entities.set(entity, new Set([action]))
      else actions.add(action)
    }
  }

  /** Adds a fault for each part that names nothing; `*` is any entity or action, never any domain. */
  check(policy: PolicyParts, field: string, faults: FaultList): void {
    const { domain, entity, actions } = policy
    if (actions.length === 0) faults.add(`${field}/actions`, 'must name at least one action')
    const entities = this.#domains.get(domain)
    if (entities === undefined) {
      faults.add(`${field}/domain`, () => unknown('domain', domain, '', this.#domains.keys()))
      return
    }
    const known = entity === WILDCARD ? unionOf(entities.values()) : entities.get(entity)
    if (known === undefined) {
      faults.add(`${field}/entity`, () => unknown('entity', entity, domain, entities.keys()))
      return
    }
    for (const [i, action] of actions.entries()) {
      if (action === WILDCARD || known.has(action)) continue
      const place = `${domain}:${entity}`
      faults.add(`${field}/actions/${i}`, () => unknown('action', action, place, known))
    }
  }
}

function unionOf(sets: Iterable<ReadonlySet<string>>): Set<string> {
  const union = new Set<string>()
  for (const set of sets) for (const item of set) union.add(item)
  return union
}

function unknown(what: string, asked: string, place: string, known: Iterable<string>): string {
  const nearest = nearestName(asked, known)
  const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`
  return `the catalogue has no ${what} ${asked}${place === '' ? '' : ` in ${place}`}${hint}`
}
