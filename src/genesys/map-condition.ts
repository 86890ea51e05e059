import type { Condition, Operand } from '../domain/condition.ts'
import { listIn, objectIn } from './answer-shape.ts'
import type { JsonObject } from '../domain/json-shape.ts'

/** Nesting beyond this is cut off to a node that nobody can decide; no editor makes it. */
const MAX_DEPTH = 32

const REFERENCES = new Map([
  ['USER', 'user'],
  ['TEAM', 'team'],
  ['QUEUE', 'queue'],
])

/**
 * A `DomainResourceConditionNode` as a condition; null where there is none. An empty node stays: it
 * limits the policy in a way that nobody can decide. Words that are not known are kept for the same
 * reason.
 */
export function mapCondition(node: unknown, where: string, depth = 0): Condition | null {
  if (node === undefined || node === null) return null
  if (depth > MAX_DEPTH) return {}
  const fields = objectIn(node, where)
  const { variableName, operator, conjunction } = fields
  return {
    ...(variableName !== undefined &&
      variableName !== null && { variableName: word(variableName) }),
    ...(operator !== undefined && operator !== null && { operator: word(operator) }),
    ...(isGiven(fields, 'operands') && {
      operands: listIn(fields, 'operands', where).map((operand) =>
        mapOperand(objectIn(operand, where)),
      ),
    }),
    ...(conjunction !== undefined && conjunction !== null && { conjunction: word(conjunction) }),
    ...(isGiven(fields, 'terms') && {
      // A term that is null stays as one that cannot be decided: leaving it out would widen an AND.
      terms: listIn(fields, 'terms', where).map((term) => {
        return mapCondition(term, where, depth + 1) ?? {}
      }),
    }),
  }
}

function isGiven(fields: JsonObject, name: string): boolean {
  return fields[name] !== undefined && fields[name] !== null
}

function word(value: unknown): string {
  if (typeof value === 'string') return value
  // What is nested could be so without bound.
  return typeof value === 'object' ? '[object]' : JSON.stringify(value)
}

/** The platform names users, teams and queues by reference or, in older roles, by bare id. */
function mapOperand(operand: JsonObject): Operand {
  const type = word(operand['type'] ?? '')
  const reference = REFERENCES.get(type)
  const target = reference === undefined ? undefined : operand[reference]
  const referenced = isReference(target) ? target.id : undefined
  const { value } = operand
  return { type, value: referenced ?? (typeof value === 'string' ? value : null) }
}

function isReference(value: unknown): value is { readonly id: string } {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, 'id') === 'string'
}
