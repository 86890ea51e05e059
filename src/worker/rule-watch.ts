import type { Matrix } from '../domain/matrix.ts'
import { unmatchedRules } from '../domain/resolve-role-rules.ts'
import type { UnmatchedRule } from '../domain/resolve-role-rules.ts'
import { DEFAULT_ROLE_RULES } from '../domain/role-rules.ts'
import type { RoleRule } from '../domain/role-rules.ts'
import type { Logger } from '../observability/logger.ts'

export type RuleWatchOptions = {
  readonly rules: readonly RoleRule[]
  readonly logger: Pick<Logger, 'warn' | 'info'>
}

/**
 * Knows which rules name roles or permissions that the organisation does not have: a misspelt rule
 * is broken by nobody, and somebody has to be told. Logged when it changes.
 */
export class RuleWatch {
  readonly #options: RuleWatchOptions
  #unmatched: readonly UnmatchedRule[] = []

  constructor(options: RuleWatchOptions) {
    this.#options = options
  }

  /** Of the matrix looked at last, in the order of the rules. */
  get unmatched(): readonly UnmatchedRule[] {
    return this.#unmatched
  }

  /** To be called when roles or catalogue may have changed. Takes some milliseconds. */
  look(matrix: Matrix | undefined): void {
    const { rules, logger } = this.#options
    // What nobody has written nobody has misspelt.
    if (matrix === undefined || rules.length === 0 || rules === DEFAULT_ROLE_RULES) return
    const found = unmatchedRules(matrix, rules)
    const changed = JSON.stringify(found) !== JSON.stringify(this.#unmatched)
    this.#unmatched = found
    if (!changed) return
    if (found.length === 0) logger.info('every rule names what the organisation has')
    else logger.warn({ rules: found }, 'rules name what the organisation does not have')
  }
}
