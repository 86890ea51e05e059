export const FAULT_KINDS = [
  'status',
  'hang',
  'reset',
  'truncate-page',
  'malformed-body',
  'html-error',
  'slow',
  'drop-field',
  'wrong-total',
  'close-mid-body',
  'lost-answer',
] as const

/**
 * `hang` and `reset` come before the work of a request; with `lost-answer` the work is done and the
 * connection is reset in the place of an answer.
 */
export type FaultKind = (typeof FAULT_KINDS)[number]

/** Something that goes wrong with the requests that match. */
export interface FaultRule {
  readonly match: {
    readonly method?: string
    /**
     * A text is a path template (`/api/v2/users/{userId}`) or a path as it is requested; an
     * expression is tried on the path with its query string.
     */
    readonly path: RegExp | string
  }
  readonly kind: FaultKind
  /** For `status` (default 500) and `html-error` (default 502). */
  readonly status?: number
  /** The error code of `status`; the platform's usual one for the status when left out. */
  readonly code?: string
  /** The error message of `status`; one that says what was told when left out. */
  readonly message?: string
  /** Sent as `Retry-After` with `status` and `html-error`. */
  readonly retryAfterSeconds?: number
  /** How long `slow` waits before the true answer. */
  readonly delayMs?: number
  /** What `slow` waits for in the place of a time; for rules that are made in this process. */
  readonly until?: Promise<unknown>
  /** What `drop-field` leaves out: of the envelope if it has it, else of each entity. */
  readonly field?: string
  /** What `wrong-total` claims; one more than the truth when left out. */
  readonly total?: number
  /** This many matching requests pass first. */
  readonly after?: number
  /** So many requests are hit, then the rule is spent; all when left out. */
  readonly times?: number
}

/** A rule with what it has met so far. */
export interface ActiveFault {
  readonly rule: FaultRule
  matched: number
  applied: number
}

export interface FaultTarget {
  readonly method: string
  readonly template: string
  /** Path and query as requested. */
  readonly url: string
}

function matches(rule: FaultRule, target: FaultTarget): boolean {
  const { method, path } = rule.match
  if (method !== undefined && method.toUpperCase() !== target.method) return false
  if (typeof path !== 'string') return path.test(target.url)
  return path === target.template || path === target.url.split('?')[0]
}

/** The rules in force. Of several that are due, the one added first strikes. */
export class Faults {
  #active: ActiveFault[] = []

  add(rule: FaultRule): ActiveFault {
    const active = { rule, matched: 0, applied: 0 }
    this.#active.push(active)
    return active
  }

  clear(): void {
    this.#active = []
  }

  list(): readonly ActiveFault[] {
    return this.#active
  }

  /** Counts the request with every rule that it matches and gives the one that strikes. */
  take(target: FaultTarget): FaultRule | undefined {
    let struck: FaultRule | undefined
    for (const active of this.#active) {
      const { rule } = active
      if (!matches(rule, target)) continue
      active.matched += 1
      if (struck !== undefined || active.matched <= (rule.after ?? 0)) continue
      if (active.applied >= (rule.times ?? Infinity)) continue
      active.applied += 1
      struck = rule
    }
    return struck
  }
}
