/**
 * Conditions of role policies (the platform's `resourceConditionNode`), in three-valued logic:
 * what cannot be decided is never taken for true.
 */

/** The value to compare with; kinds as the platform names them. Unknown kinds are kept as they are. */
export type Operand = {
  readonly type: string
  /** The literal of SCALAR, the other variable's name of VARIABLE, the id of USER, TEAM, QUEUE. */
  readonly value: string | null
}

export const CONDITION_OPERATORS = ['EQ', 'IN', 'GE', 'GT', 'LE', 'LT'] as const
export const CONJUNCTIONS = ['AND', 'OR'] as const
export const OPERAND_TYPES = ['SCALAR', 'VARIABLE', 'USER', 'TEAM', 'QUEUE'] as const

/** A comparison (`variableName`, `operator`, `operands`) or a conjunction (`conjunction`, `terms`). */
export type Condition = {
  readonly variableName?: string
  readonly operator?: string
  readonly operands?: readonly Operand[]
  readonly conjunction?: string
  readonly terms?: readonly Condition[]
}

/**
 * Where variables get their values, first hit wins: for AuthZEN resource, action, subject
 * properties, then context; for a plain check its `attributes` alone.
 */
export type AttributeScopes = readonly Readonly<Record<string, unknown>>[]

export type Verdict = 'holds' | 'fails' | 'undecided'

/** Names of variables that keep a condition from being decided, where their values could. */
export type Wanting = {
  /** Nowhere given, or null everywhere. */
  readonly missing: Set<string>
  /** Given, but as what cannot be compared so: a list, an object, a word where a number is needed. */
  readonly unusable: Set<string>
}

/** Nesting beyond this is not evaluated: undecided. The platform's own editor makes two levels. */
const MAX_DEPTH = 32

type Scalar = string | number | boolean

/**
 * Whether the condition holds on the attributes given. A variable without a usable value (absent or
 * null, an object, a list) makes its comparison undecided and is added to `wanting`. An operator,
 * operand kind or shape that is not understood is undecided too.
 */
export function evaluateCondition(
  condition: Condition,
  scopes: AttributeScopes,
  wanting?: Wanting,
): Verdict {
  return evaluateNode(condition, scopes, wanting, 0)
}

function evaluateNode(
  node: Condition,
  scopes: AttributeScopes,
  wanting: Wanting | undefined,
  depth: number,
): Verdict {
  if (depth > MAX_DEPTH) return 'undecided'
  const comparison = node.variableName !== undefined || node.operator !== undefined
  const terms = node.terms ?? []
  if (comparison && terms.length === 0) return compare(node, scopes, wanting)
  // A node that is both a comparison and a conjunction has no documented meaning.
  if (comparison || terms.length === 0) return 'undecided'
  return combine(node, terms, scopes, wanting, depth)
}

function combine(
  node: Condition,
  terms: readonly Condition[],
  scopes: AttributeScopes,
  wanting: Wanting | undefined,
  depth: number,
): Verdict {
  if (node.conjunction !== 'AND' && node.conjunction !== 'OR') {
    if (terms.length > 1 || node.conjunction !== undefined) return 'undecided'
  }
  const decisive = node.conjunction === 'OR' ? 'holds' : 'fails'
  const neutral = node.conjunction === 'OR' ? 'fails' : 'holds'
  let result: Verdict = neutral
  const here = wanting && { missing: new Set<string>(), unusable: new Set<string>() }
  for (const term of terms) {
    const verdict = evaluateNode(term, scopes, here, depth + 1)
    if (verdict === decisive) return decisive
    if (verdict === 'undecided') result = 'undecided'
  }
  // Names are reported only where they could still change the answer.
  if (wanting && here) {
    for (const name of here.missing) wanting.missing.add(name)
    for (const name of here.unusable) wanting.unusable.add(name)
  }
  return result
}

function compare(node: Condition, scopes: AttributeScopes, wanting: Wanting | undefined): Verdict {
  const { variableName, operator, operands } = node
  if (!variableName || !operator || !operands || operands.length === 0) return 'undecided'
  const value = lookUp(variableName, scopes)
  const others = operands.map((operand) => operandValue(operand, scopes))
  const verdict = value === undefined ? 'undecided' : decide(value, operator, others)
  if (verdict === 'undecided' && wanting) {
    const names = wantedOf(variableName, operator, operands, scopes)
    for (const name of names) (isGiven(name, scopes) ? wanting.unusable : wanting.missing).add(name)
  }
  return verdict
}

/** The variables of a comparison without a value for it; none where no value could decide it. */
function wantedOf(
  variableName: string,
  operator: string,
  operands: readonly Operand[],
  scopes: AttributeScopes,
): string[] {
  const ordered = operator !== 'EQ' && operator !== 'IN'
  const valueOf = (name: string): Scalar | undefined => {
    const value = lookUp(name, scopes)
    return ordered && value !== undefined && numberOf(value) === undefined ? undefined : value
  }
  const value = valueOf(variableName)
  const others = operands.map((operand) => {
    return isVariable(operand) ? valueOf(operand.value) : operandValue(operand, scopes)
  })
  if (!couldDecide(value, operator, operands, others)) return []
  const wanted = value === undefined ? [variableName] : []
  for (const [index, operand] of operands.entries()) {
    if (others[index] === undefined && isVariable(operand)) wanted.push(operand.value)
  }
  return wanted
}

/** Whether values for what is absent could decide the comparison at all. */
function couldDecide(
  value: Scalar | undefined,
  operator: string,
  operands: readonly Operand[],
  others: readonly (Scalar | undefined)[],
): boolean {
  const usable = operands.filter(
    (operand, index) => others[index] !== undefined || isVariable(operand),
  )
  if (operator === 'IN') return usable.length > 0
  if (operands.length !== 1 || usable.length !== 1) return false
  if (operator === 'EQ') return true
  // Zero stands for any number: a side that is there must be one for the order to be known.
  return order(value ?? 0, operator, others[0] ?? 0) !== 'undecided'
}

function isVariable(operand: Operand): operand is Operand & { readonly value: string } {
  return operand.type === 'VARIABLE' && operand.value !== null && operand.value !== ''
}

function decide(value: Scalar, operator: string, others: readonly (Scalar | undefined)[]): Verdict {
  if (operator === 'IN') return isOneOf(value, others)
  // Only IN is defined for several operands.
  const [other] = others
  if (others.length !== 1 || other === undefined) return 'undecided'
  if (operator === 'EQ') return equal(value, other) ? 'holds' : 'fails'
  return order(value, operator, other)
}

function isOneOf(value: Scalar, others: readonly (Scalar | undefined)[]): Verdict {
  if (others.some((other) => other !== undefined && equal(value, other))) return 'holds'
  return others.includes(undefined) ? 'undecided' : 'fails'
}

function operandValue(operand: Operand, scopes: AttributeScopes): Scalar | undefined {
  if (operand.value === null) return undefined
  switch (operand.type) {
    case 'SCALAR':
    case 'USER':
    case 'TEAM':
    case 'QUEUE':
      return operand.value
    case 'VARIABLE':
      return lookUp(operand.value, scopes)
    default:
      return undefined
  }
}

function lookUp(name: string, scopes: AttributeScopes): Scalar | undefined {
  for (const scope of scopes) {
    const value = ownValue(scope, name)
    // Null is how some callers write that there is none: the next scope may have one.
    if (value === undefined || value === null) continue
    if (typeof value === 'string' || typeof value === 'boolean') return value
    return typeof value === 'number' ? numberOf(value) : undefined
  }
  return undefined
}

function isGiven(name: string, scopes: AttributeScopes): boolean {
  return scopes.some((scope) => (ownValue(scope, name) ?? null) !== null)
}

/** Own properties only: `constructor` is not an attribute. */
function ownValue(scope: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(scope, name) ? scope[name] : undefined
}

/** The platform writes every literal as text; a number or boolean equals the text that denotes it. */
function equal(a: Scalar, b: Scalar): boolean {
  if (typeof a === typeof b) return a === b
  if (typeof a === 'boolean' || typeof b === 'boolean') return String(a) === String(b)
  const left = numberOf(a)
  const right = numberOf(b)
  return left !== undefined && left === right
}

function order(value: Scalar, operator: string, other: Scalar): Verdict {
  const left = numberOf(value)
  const right = numberOf(other)
  if (left === undefined || right === undefined) return 'undecided'
  switch (operator) {
    case 'GE':
      return left >= right ? 'holds' : 'fails'
    case 'GT':
      return left > right ? 'holds' : 'fails'
    case 'LE':
      return left <= right ? 'holds' : 'fails'
    case 'LT':
      return left < right ? 'holds' : 'fails'
    default:
      return 'undecided'
  }
}

/** Beyond the safe integers different numbers are read as one: no value to decide on. */
function numberOf(value: Scalar): number | undefined {
  if (typeof value === 'boolean') return undefined
  if (typeof value === 'string' && !/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(value)) return undefined
  const number = Number(value)
  return Math.abs(number) <= Number.MAX_SAFE_INTEGER ? number : undefined
}
