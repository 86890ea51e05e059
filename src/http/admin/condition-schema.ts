import { Type } from 'typebox'
import type { TSchema } from 'typebox'
import type { Condition } from '../../domain/condition.ts'
import { CONDITION_OPERATORS, CONJUNCTIONS, OPERAND_TYPES } from '../../domain/condition.ts'
import { MAX_ID_LENGTH } from '../schemas.ts'

/** Conjunctions within each other. The platform's own editor makes two levels. */
const MAX_LEVELS = 4
const MAX_OPERANDS = 100
const MAX_TERMS = 50

const Text = Type.String({ minLength: 1, maxLength: MAX_ID_LENGTH })
const Operand = Type.Object(
  { type: Type.Enum([...OPERAND_TYPES]), value: Text },
  { additionalProperties: false },
)
const COMPARISON = {
  variableName: Type.Optional(Text),
  operator: Type.Optional(Type.Enum([...CONDITION_OPERATORS])),
  operands: Type.Optional(Type.Array(Operand, { minItems: 1, maxItems: MAX_OPERANDS })),
}

/** One object for both forms: of a choice between two a fault could not be told where it is. */
function conditionWithin(levels: number): TSchema {
  const options = {
    additionalProperties: false,
    description:
      levels === 0
        ? 'A comparison'
        : 'A comparison (`variableName`, `operator`, `operands`) or a conjunction (`conjunction`, `terms`)',
  }
  if (levels === 0) return Type.Object(COMPARISON, options)
  const conjunction = {
    conjunction: Type.Optional(Type.Enum([...CONJUNCTIONS])),
    terms: Type.Optional(
      Type.Array(conditionWithin(levels - 1), { minItems: 1, maxItems: MAX_TERMS }),
    ),
  }
  return Type.Object({ ...COMPARISON, ...conjunction }, options)
}

/** A condition as the platform has them; that it is whole is checked where it is looked up. */
export const ConditionSchema = Type.Unsafe<Condition>(conditionWithin(MAX_LEVELS))
