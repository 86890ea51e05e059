import type { AttributeScopes, Condition, Operand } from '../../../src/domain/condition.ts'

/** 1 true, 0 false, ½ cannot be said: AND is the least of its terms, OR the greatest (Kleene). */
export type Truth = 0 | 0.5 | 1

const UNSAID: Truth = 0.5

/** A condition by the words of the design, written without a look at `src/domain/condition.ts`. */
export function naiveTruth(condition: Condition, scopes: AttributeScopes): Truth {
  const compares = 'variableName' in condition || 'operator' in condition
  const terms = condition.terms ?? []
  if (compares && terms.length > 0) return UNSAID
  if (compares) return comparisonTruth(condition, scopes)
  const truths = terms.map((term) => naiveTruth(term, scopes))
  if (truths.length === 0) return UNSAID
  if (condition.conjunction === 'AND') return truths.reduce((a, b) => (b < a ? b : a))
  if (condition.conjunction === 'OR') return truths.reduce((a, b) => (b > a ? b : a))
  const only = truths.length === 1 && condition.conjunction === undefined ? truths[0] : undefined
  return only ?? UNSAID
}

function comparisonTruth(condition: Condition, scopes: AttributeScopes): Truth {
  const operands = condition.operands ?? []
  if (condition.variableName === undefined || condition.variableName === '') return UNSAID
  const left = attribute(condition.variableName, scopes)
  if (left === undefined || operands.length === 0) return UNSAID
  const rights = operands.map((operand) => operandValue(operand, scopes))
  if (condition.operator === 'IN') {
    const each = rights.map((right) => sameness(left, right))
    return each.reduce((a, b) => (b > a ? b : a))
  }
  if (rights.length !== 1) return UNSAID
  const right = rights[0]
  if (condition.operator === 'EQ') return sameness(left, right)
  const a = asNumber(left)
  const b = right === undefined ? undefined : asNumber(right)
  if (a === undefined || b === undefined) return UNSAID
  if (condition.operator === 'GE') return a >= b ? 1 : 0
  if (condition.operator === 'GT') return a > b ? 1 : 0
  if (condition.operator === 'LE') return a <= b ? 1 : 0
  if (condition.operator === 'LT') return a < b ? 1 : 0
  return UNSAID
}

type Value = string | number | boolean

function sameness(left: Value, right: Value | undefined): Truth {
  if (right === undefined) return UNSAID
  if (left === right) return 1
  if (typeof left === 'boolean' && typeof right === 'string') return `${left}` === right ? 1 : 0
  if (typeof right === 'boolean' && typeof left === 'string') return `${right}` === left ? 1 : 0
  if (typeof left === 'number' && typeof right === 'string') return asNumber(right) === left ? 1 : 0
  if (typeof right === 'number' && typeof left === 'string') return asNumber(left) === right ? 1 : 0
  return 0
}

function operandValue(operand: Operand, scopes: AttributeScopes): Value | undefined {
  if (operand.value === null) return undefined
  if (operand.type === 'VARIABLE') return attribute(operand.value, scopes)
  if (['SCALAR', 'USER', 'TEAM', 'QUEUE'].includes(operand.type)) return operand.value
  return undefined
}

function attribute(name: string, scopes: AttributeScopes): Value | undefined {
  const entries = scopes.flatMap((scope) => Object.entries(scope))
  const [, value] = entries.find(([key, each]) => key === name && (each ?? null) !== null) ?? []
  if (typeof value === 'string' || typeof value === 'boolean') return value
  return typeof value === 'number' ? asNumber(value) : undefined
}

/** A number as JSON writes it, leading zeros allowed; none that a double cannot hold exactly. */
function asNumber(value: Value): number | undefined {
  if (typeof value === 'boolean') return undefined
  if (typeof value === 'string' && !looksNumeric(value)) return undefined
  const number = Number(value)
  return number >= -9007199254740991 && number <= 9007199254740991 ? number : undefined
}

function looksNumeric(text: string): boolean {
  const unsigned = text.startsWith('-') ? text.slice(1) : text
  const [mantissa = '', exponent, ...rest] = unsigned.split(/[eE]/)
  if (rest.length > 0) return false
  const [whole = '', fraction, ...more] = mantissa.split('.')
  if (more.length > 0 || !onlyDigits(whole)) return false
  if (fraction !== undefined && !onlyDigits(fraction)) return false
  if (exponent === undefined) return true
  return onlyDigits(/^[+-]/.test(exponent) ? exponent.slice(1) : exponent)
}

function onlyDigits(text: string): boolean {
  return text !== '' && Array.from(text).every((letter) => '0123456789'.includes(letter))
}
