import type { Random } from './random.ts'
import type { ConditionNode, ConditionOperand, UserRecord } from './records.ts'

/** What conditions may speak of. */
export interface ConditionSubjects {
  readonly queues: readonly { readonly id: string; readonly name: string }[]
  readonly teams: readonly { readonly id: string; readonly name: string }[]
  readonly users: readonly UserRecord[]
}

const MEDIA = ['voice', 'chat', 'email', 'message', 'callback'] as const

function repeat<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make)
}

function queueTerm(random: Random, { queues }: ConditionSubjects): ConditionNode {
  const operands = repeat(1 + random.below(3), (): ConditionOperand => {
    return { type: 'QUEUE', queue: random.pick(queues) }
  })
  return { variableName: 'Conversation.queues', operator: 'IN', operands }
}

function userTerm(random: Random, { users }: ConditionSubjects): ConditionNode {
  const { id, name } = random.pick(users)
  const operands: ConditionOperand[] = [{ type: 'USER', user: { id, name, version: 1 } }]
  return { variableName: 'Conversation.users', operator: 'EQ', operands }
}

function teamTerm(random: Random, { teams }: ConditionSubjects): ConditionNode {
  const operands: ConditionOperand[] = [{ type: 'TEAM', team: random.pick(teams) }]
  return { variableName: 'Conversation.teams', operator: 'IN', operands }
}

function mediaTerm(random: Random): ConditionNode {
  const operands = repeat(1 + random.below(2), (): ConditionOperand => {
    return { type: 'SCALAR', value: random.pick(MEDIA) }
  })
  return { variableName: 'Conversation.mediaType', operator: 'IN', operands }
}

function numberTerm(random: Random): ConditionNode {
  const operator = random.pick(['GE', 'GT', 'LE', 'LT'] as const)
  const operands: ConditionOperand[] = [{ type: 'SCALAR', value: String(10 * random.below(10)) }]
  return { variableName: 'Evaluation.score', operator, operands }
}

/** The caller's own: the variable is compared with another variable. */
function ownTerm(): ConditionNode {
  const operands: ConditionOperand[] = [{ type: 'VARIABLE', value: 'User.id' }]
  return { variableName: 'Evaluation.agent', operator: 'EQ', operands }
}

const TERMS = [queueTerm, userTerm, teamTerm, mediaTerm, numberTerm, ownTerm] as const

/** One comparison, or a conjunction of some, or one level more. */
export function generateCondition(
  random: Random,
  subjects: ConditionSubjects,
  depth = 0,
): ConditionNode {
  if (depth === 2 || random.chance(0.6)) return random.pick(TERMS)(random, subjects)
  return {
    conjunction: random.pick(['AND', 'OR'] as const),
    terms: repeat(2 + random.below(2), () => generateCondition(random, subjects, depth + 1)),
  }
}
