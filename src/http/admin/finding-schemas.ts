import { Type } from 'typebox'
import type { Fault } from '../../domain/failure.ts'
import type { Validation } from '../../domain/validation.ts'

/** Bodies of lists and environments; larger ones are none. */
export const ARCHITECTURE_BODY_BYTES = 256 * 1024
/** What is too much is told by the checks, with the bound, and not here. */
export const MAX_LISTED = 1_000
/** Of a text of a body; the checks know closer bounds. */
export const MAX_TEXT = 4_096

const Finding = Type.Object({
  field: Type.String({ examples: ['entries/3/ipAddress'] }),
  message: Type.String(),
  suggestion: Type.Optional(Type.String({ description: 'What could stand there instead' })),
})

export const Warnings = Type.Unsafe<readonly Fault[]>(
  Type.Array(Finding, { description: 'What is allowed, but may not be meant' }),
)

export const ValidationSchema = Type.Unsafe<ReturnType<typeof describeValidation>>(
  Type.Object({
    valid: Type.Boolean(),
    errors: Type.Array(Finding, { description: 'Every fault found; at most 1,500' }),
    warnings: Warnings,
  }),
)

export function describeValidation({ faults, warnings }: Validation<unknown>) {
  return { valid: faults.length === 0, errors: faults, warnings }
}
