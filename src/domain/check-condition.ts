import type { Condition } from './condition.ts'
import type { FaultList } from './fault-list.ts'

const TWO_FORMS =
  'must be a comparison (variableName, operator, operands) or a conjunction (conjunction, terms)'

/**
 * Adds a fault for each part of a condition that could never be decided: neither a comparison nor a
 * conjunction, or half of one, or several operands where one is compared with.
 */
export function checkCondition(condition: Condition, field: string, faults: FaultList): void {
  const { variableName, operator, operands, conjunction, terms } = condition
  const ofComparison = [variableName, operator, operands].filter((part) => part !== undefined)
  const ofConjunction = [conjunction, terms].filter((part) => part !== undefined)
  const isComparison = ofComparison.length === 3 && ofConjunction.length === 0
  const isConjunction = ofConjunction.length === 2 && ofComparison.length === 0
  if (!isComparison && !isConjunction) {
    faults.add(field, TWO_FORMS)
    return
  }
  if (isComparison && operator !== 'IN' && operands?.length !== 1) {
    faults.add(`${field}/operands`, 'must hold one operand: only IN takes several')
  }
  for (const [i, term] of (terms ?? []).entries()) {
    checkCondition(term, `${field}/terms/${i}`, faults)
  }
}
