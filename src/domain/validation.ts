import { Failure } from './failure.ts'
import type { Fault } from './failure.ts'

/** Far more than a request comes to whose every entry is wrong in every way: all of it is told. */
const MAX_FAULTS = 1_500

/**
 * What checking a request as a whole came to. Faults forbid it, warnings do not; both name the
 * field. `value` is what was checked, in its normal form; only there without faults.
 */
export type Validation<Value> = {
  readonly faults: readonly Fault[]
  readonly warnings: readonly Fault[]
  readonly value: Value | undefined
  /** Faults beyond those that are told. */
  readonly untold?: number
}

/** Where a check writes down what it finds. */
export type Findings = { readonly faults: Fault[]; readonly warnings: Fault[] }

export function noFindings(): Findings {
  return { faults: [], warnings: [] }
}

export function validationOf<Value>(findings: Findings, value: Value): Validation<Value> {
  const faults = findings.faults.slice(0, MAX_FAULTS)
  const untold = findings.faults.length - faults.length
  return {
    faults,
    warnings: findings.warnings.slice(0, MAX_FAULTS),
    value: faults.length === 0 ? value : undefined,
    ...(untold === 0 ? {} : { untold }),
  }
}

/** The value that was checked. Throws `invalid` with every fault. */
export function requireValid<Value>(validation: Validation<Value>): Value {
  const { faults, value, untold = 0 } = validation
  const [first] = faults
  if (first === undefined) return value as Value
  const more = faults.length - 1 + untold
  const rest = more === 0 ? '' : `, and ${more} more`
  throw new Failure('invalid', `${first.field}: ${first.message}${rest}`, {
    field: first.field,
    faults,
  })
}

const NAME_LENGTH = 100
const DESCRIPTION_LENGTH = 1_000
/** Control characters and what reverses the direction of writing. */
// oxlint-disable-next-line no-control-regex
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/

/** Checks a name that people read and that things are found by. */
export function checkName(name: string, findings: Findings): void {
  const { faults } = findings
  const field = 'name'
  if (name.trim() === '') faults.push({ field, message: 'must not be empty' })
  else if (name !== name.trim()) {
    const message = 'must not begin or end with a space'
    faults.push({ field, message, suggestion: name.trim().slice(0, NAME_LENGTH) })
  }
  if (name.length > NAME_LENGTH) {
    faults.push({ field, message: `must have at most ${NAME_LENGTH} characters` })
  }
  if (UNPRINTABLE.test(name)) {
    faults.push({ field, message: 'must not contain control characters' })
  }
}

/** Checks a text that may be empty. */
export function checkDescription(description: string, findings: Findings): void {
  const field = 'description'
  if (description.length > DESCRIPTION_LENGTH) {
    const message = `must have at most ${DESCRIPTION_LENGTH} characters`
    findings.faults.push({ field, message })
  }
  if (UNPRINTABLE.test(description.replaceAll(/[\n\r\t]/g, ''))) {
    findings.faults.push({ field, message: 'must not contain control characters' })
  }
}
