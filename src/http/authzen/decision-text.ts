import { ALLOWED, CONDITIONAL, decideRecord, OUTCOMES } from '../../domain/evaluate.ts'
import type { Outcome, Path, Recorder } from '../../domain/evaluate.ts'
import { namePath } from '../../domain/explain.ts'
import type { Matrix } from '../../domain/matrix.ts'
import type { Question } from './entities.ts'

/** Ways listed with one decision; the check plane's own explanation lists more. */
export const MAX_DECISION_PATHS = 20

/**
 * What may still be said of why, in the decisions of one request: UTF-16 units of paths and names of
 * missing attributes. The decision with which it runs out is explained whole, those after it say
 * that they are `truncated`.
 */
type Room = { units: number }

/** A question in the numbers of one matrix: -1 for what it does not know. */
export type ResolvedQuestion = {
  /** Where the subject's record begins. */
  readonly record: number
  readonly permission: number
  readonly division: number
}

/** Decides a question and writes its decision as JSON text, with the outcome that it has. */
export type DecisionWriter = (
  matrix: Matrix,
  resolved: ResolvedQuestion,
  question: Pick<Question, 'scopes' | 'explain'>,
  ageSeconds: number,
  /** Without one, everything is said. */
  room?: Room,
) => { readonly outcome: Outcome; readonly text: string }

const STARTS = OUTCOMES.map((name, outcome) => {
  return outcome === ALLOWED
    ? '{"decision":true,"context":{'
    : `{"decision":false,"context":{"reason":"${name}",`
})

/**
 * Decisions as text: what is said of roles, divisions, groups and policies is written once for each
 * matrix, what is said of the matrix once a second, and put together for each answer.
 */
export function createDecisionWriter(): DecisionWriter {
  let texts: PathTexts | undefined
  const best = new BestPaths()
  return (matrix, resolved, { scopes, explain }, ageSeconds, room) => {
    const { record: subject, permission, division } = resolved
    const isFull = room !== undefined && room.units <= 0
    const recorder = explain && !isFull ? best.record : undefined
    if (texts?.matrix !== matrix || texts.ageSeconds !== ageSeconds) {
      texts = new PathTexts(matrix, ageSeconds, texts)
    }
    best.clear()
    const outcome = decideRecord(matrix, subject, permission, division, scopes, recorder)
    if (outcome === CONDITIONAL) {
      if (isFull) return { outcome, text: texts.truncatedConditional }
      // The same evaluation once more: only a recorder is told what was missing.
      if (!explain) decideRecord(matrix, subject, permission, division, scopes, best.recordReached)
      const wanted = best.wanted()
      const listed = explain ? `,"paths":${texts.list(best, permission)}` : ''
      if (room) room.units -= wanted.length + listed.length
      return { outcome, text: `${STARTS[outcome]}${wanted}${texts.ofMatrix}${listed}}}` }
    }
    if (!explain) return { outcome, text: texts.unexplained[outcome] as string }
    if (isFull) return { outcome, text: texts.truncated[outcome] as string }
    if (best.count === 0) return { outcome, text: texts.withoutPaths[outcome] as string }
    const listed = texts.list(best, permission)
    if (room) room.units -= listed.length
    return { outcome, text: `${texts.beforePaths[outcome]}${listed}}}` }
  }
}

/** As many paths of one decision as are listed, the best ones first, and how many there are. */
class BestPaths {
  count = 0
  /** Names that would decide the question: only of ways that are undecided themselves. */
  readonly #missing = new Set<string>()
  readonly #unusable = new Set<string>()
  /** By outcome; those of one outcome in the order in which they were found. */
  readonly #ranks: readonly Path[][] = OUTCOMES.map(() => [])

  readonly record = (path: Path): void => {
    this.count += 1
    const rank = this.#ranks[path.outcome] as Path[]
    if (rank.length < MAX_DECISION_PATHS) rank.push(path)
    if (path.outcome !== CONDITIONAL) return
    for (const name of path.missing) this.#missing.add(name)
    for (const name of path.unusable) this.#unusable.add(name)
  }

  /** The same for who asks only for what is missing. */
  readonly recordReached: Recorder = Object.assign((path: Path) => this.record(path), {
    reachedOnly: true,
  })

  clear(): void {
    if (this.count === 0) return
    this.count = 0
    this.#missing.clear()
    this.#unusable.clear()
    for (const rank of this.#ranks) if (rank.length > 0) rank.length = 0
  }

  /** Members that name what would decide the question. */
  wanted(): string {
    const written = member('missing', [...this.#missing].sort())
    if (this.#unusable.size === 0) return written
    return written + member('unusable', [...this.#unusable].sort())
  }

  /** What `write` makes of each, one after the other. */
  list(write: (path: Path) => string): string {
    let text = ''
    let left = Math.min(this.count, MAX_DECISION_PATHS)
    for (const rank of this.#ranks) {
      for (const path of rank) {
        if (left === 0) return text
        left -= 1
        text += text === '' ? write(path) : `,${write(path)}`
      }
    }
    return text
  }
}

/** What can be said of one matrix and its paths, written when it is first needed. */
class PathTexts {
  readonly matrix: Matrix
  readonly ageSeconds: number
  /** Revision and age, as members. */
  readonly ofMatrix: string
  /** Whole answers by outcome, and the beginnings of those with paths. */
  readonly unexplained: readonly string[]
  readonly withoutPaths: readonly string[]
  readonly beforePaths: readonly string[]
  /** Whole answers that leave out whatever paths there are, by outcome. */
  readonly truncated: readonly string[]
  readonly truncatedConditional: string
  readonly #roles: string[]
  readonly #divisions: string[]
  readonly #groups: string[]
  readonly #policies: string[]
  readonly #flat: string[]

  /** Takes over from `last` what holds for the same matrix at another age. */
  constructor(matrix: Matrix, ageSeconds: number, last: PathTexts | undefined) {
    this.matrix = matrix
    this.ageSeconds = ageSeconds
    this.ofMatrix = `"revision":${matrix.revision},"age":${ageSeconds}`
    const starts = STARTS.map((start) => start + this.ofMatrix)
    this.unexplained = starts.map((start) => `${start}}}`)
    this.beforePaths = starts.map((start) => `${start},"paths":`)
    this.withoutPaths = this.beforePaths.map((start) => `${start}[]}}`)
    this.truncated = this.beforePaths.map((start, outcome) => {
      return mayHavePaths(outcome) ? `${start}${TRUNCATED}}}` : `${start}[]}}`
    })
    this.truncatedConditional = `${STARTS[CONDITIONAL]}"missing":[],${this.ofMatrix},"paths":${TRUNCATED}}}`
    const same = last?.matrix === matrix ? last : undefined
    this.#roles = same ? same.#roles : []
    this.#divisions = same ? same.#divisions : []
    this.#groups = same ? same.#groups : []
    this.#policies = same ? same.#policies : []
    this.#flat = same ? same.#flat : []
  }

  /** A JSON list, the best ones first, and the member behind it that tells of others. */
  list(best: BestPaths, permission: number): string {
    const text = best.list((path) => this.#path(path, permission))
    return best.count > MAX_DECISION_PATHS ? `[${text}],"truncated":true` : `[${text}]`
  }

  #path(path: Path, permission: number): string {
    const { role, division, group, policy, outcome, missing, unusable } = path
    const via = group < 0 ? '"via":{"type":"direct"},' : this.#group(path, permission)
    const line = policy < 0 ? this.#flatPolicy(permission) : this.#policy(path, permission)
    const lacking = missing.length > 0 ? `,"missing":${JSON.stringify(missing)}` : ''
    const unfit = unusable.length > 0 ? `,"unusable":${JSON.stringify(unusable)}` : ''
    const named = (this.#roles[role] ??= member('role', this.matrix.role(role)))
    const where = (this.#divisions[division] ??= member(
      'division',
      this.matrix.grantDivision(division),
    ))
    return `{${named}${where}${via}${line}"outcome":"${PATH_OUTCOMES[outcome]}"${lacking}${unfit}}`
  }

  #group(path: Path, permission: number): string {
    return (this.#groups[path.group] ??= member('via', namePath(this.matrix, path, permission).via))
  }

  #policy(path: Path, permission: number): string {
    return (this.#policies[path.policy] ??= member(
      'policy',
      namePath(this.matrix, path, permission).policy,
    ))
  }

  #flatPolicy(permission: number): string {
    return (this.#flat[permission] ??= member('policy', this.matrix.permissionCode(permission)))
  }
}

const TRUNCATED = '[],"truncated":true'

/** Before any grant is looked at, these have been decided. */
function mayHavePaths(outcome: Outcome): boolean {
  return outcome === ALLOWED || outcome >= CONDITIONAL
}

/** As {@link namePath} calls them: a condition that plainly fails gives nothing. */
const PATH_OUTCOMES = OUTCOMES.map((name) => (name === 'not_granted' ? 'condition_failed' : name))

function member(name: string, value: unknown): string {
  return `"${name}":${JSON.stringify(value)},`
}
