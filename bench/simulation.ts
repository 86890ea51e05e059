import { buildMatrix } from '../src/domain/build-matrix.ts'
import type { Facts } from '../src/domain/facts.ts'
import { Matrix } from '../src/domain/matrix.ts'
import { DEFAULT_ROLE_RULES } from '../src/domain/role-rules.ts'
import { simulate } from '../src/domain/simulate.ts'
import type { SimulationRequest } from '../src/domain/simulation.ts'
import { FULL_SIZE, generateFacts } from './organization.ts'
import { median } from './processes.ts'

/**
 * One thread: the simulation of one edited role that every fourth of 100,000 users holds. Each round
 * attaches to the matrix anew, as the worker thread does; there is no round to warm up.
 */

const ROUNDS = 7

export function measureSimulation(): { readonly users: number; readonly milliseconds: number } {
  const facts = withCommonRole(generateFacts(FULL_SIZE))
  const buffer = buildMatrix(facts)
  const request = editRequest(facts)
  let users = 0
  const rounds = Array.from({ length: ROUNDS }, () => {
    const start = performance.now()
    users = simulate(new Matrix(buffer), request).blastRadius.users
    return performance.now() - start
  })
  return { users, milliseconds: median(rounds) }
}

/** The first role goes to every fourth user besides, each in one division or another. */
function withCommonRole(facts: Facts): Facts {
  const roleId = facts.roles[0]?.id ?? ''
  const { divisions } = facts
  const subjects = facts.subjects.map((subject, i) => {
    if (i % 4 !== 0) return subject
    const divisionId = divisions[(i / 4) % divisions.length]?.id ?? '*'
    return { ...subject, grants: [...subject.grants, { roleId, divisionId }] }
  })
  return { ...facts, subjects }
}

/** Takes a third of its policies from the first role and gives it a whole domain. */
function editRequest(facts: Facts): SimulationRequest {
  const role = facts.roles[0]
  if (role === undefined) throw new Error('there is no role to edit')
  const edit = {
    roleId: role.id,
    addPolicies: [{ domain: 'domain7', entity: '*', actions: ['*'], condition: null }],
    removePolicies: role.policies.filter((_, i) => i % 3 === 0),
  }
  const timestamp = new Date(facts.takenAt).toISOString()
  const change = { kind: 'role', edit } as const
  return { change, rules: DEFAULT_ROLE_RULES, timestamp, limit: 100, offset: 0 }
}
