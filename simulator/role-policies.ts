import { word, list, object, optionalText, text, texts } from './request-body.ts'
import type { ConditionNode, ConditionOperand, PolicyRecord } from './records.ts'

const OPERATORS = ['EQ', 'IN', 'GE', 'GT', 'LE', 'LT'] as const
const OPERAND_TYPES = ['SCALAR', 'VARIABLE', 'USER', 'TEAM', 'QUEUE'] as const
const CONJUNCTIONS = ['AND', 'OR'] as const

/** Policies as a caller writes them into a role. */
export function readPolicies(value: unknown): PolicyRecord[] {
  if (value === undefined || value === null) return []
  return list(value, 'permissionPolicies').map((item) => {
    const policy = object(item)
    const node = policy['resourceConditionNode']
    return {
      domain: text(policy, 'domain'),
      entityName: text(policy, 'entityName'),
      actionSet: texts(policy, 'actionSet'),
      ...(node !== undefined && node !== null && { condition: readCondition(node) }),
    }
  })
}

function readCondition(value: unknown): ConditionNode {
  const node = object(value)
  const { operator, operands, conjunction, terms } = node
  const variableName = optionalText(node, 'variableName')
  return {
    ...(variableName !== undefined && { variableName }),
    ...(typeof operator === 'string' && { operator: word(node, 'operator', OPERATORS) }),
    ...(Array.isArray(operands) && { operands: operands.map(readOperand) }),
    ...(typeof conjunction === 'string' && {
      conjunction: word(node, 'conjunction', CONJUNCTIONS),
    }),
    ...(Array.isArray(terms) && { terms: terms.map(readCondition) }),
  }
}

function readOperand(value: unknown): ConditionOperand {
  const operand = object(value)
  const plain = optionalText(operand, 'value')
  const { user, queue, team } = operand
  return {
    type: word(operand, 'type', OPERAND_TYPES),
    ...(plain !== undefined && { value: plain }),
    ...(user !== undefined && { user: { ...reference(user), version: 1 } }),
    ...(queue !== undefined && { queue: reference(queue) }),
    ...(team !== undefined && { team: reference(team) }),
  }
}

function reference(value: unknown): { id: string; name: string } {
  const entity = object(value)
  const id = text(entity, 'id')
  return { id, name: optionalText(entity, 'name') ?? id }
}
