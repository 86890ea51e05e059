import { CappedList, MAX_LINES } from './capped-list.ts'
import type { PreparedRules } from './prepare-rules.ts'
import { describeConflict } from './role-conflict.ts'
import type { RuleConflict } from './role-rules.ts'
import { compareBreaches } from './rule-breaches.ts'
import type { HeldGrants } from './rule-breaches.ts'

/** Collects conflicts; those that block a change come first and are the last to be left out. */
export class ConflictTally {
  readonly #rules: { readonly before: PreparedRules; readonly after: PreparedRules }
  readonly #blocking = new CappedList<RuleConflict>()
  readonly #existing = new CappedList<RuleConflict>()

  constructor(rules: { readonly before: PreparedRules; readonly after: PreparedRules }) {
    this.#rules = rules
  }

  add(subject: number, before: HeldGrants, after: HeldGrants): void {
    const conflicts = compareBreaches(
      { prepared: this.#rules.before, held: before },
      { prepared: this.#rules.after, held: after },
    )
    for (const conflict of conflicts) {
      const list = conflict.status === 'existing' ? this.#existing : this.#blocking
      list.add(() => {
        const { after: rules } = this.#rules
        return describeConflict(rules, conflict, rules.matrix.subjectId(subject))
      })
    }
  }

  get items(): readonly RuleConflict[] {
    return [...this.#blocking.items, ...this.#existing.items].slice(0, MAX_LINES)
  }

  get truncated(): boolean {
    const count = this.#blocking.items.length + this.#existing.items.length
    return this.#blocking.truncated || this.#existing.truncated || count > MAX_LINES
  }
}
