import { ALLOWED, CONDITIONAL, decideRecord, OUTCOMES } from '../../domain/evaluate.ts'
import type { Outcome, Path } from '../../domain/evaluate.ts'
import { namePath } from '../../domain/explain.ts'
import type { Matrix } from '../../domain/matrix.ts'
import type { Question } from './entities.ts'

/** Ways listed with one decision; the check plane's own explanation lists more. */
export const MAX_DECISION_PATHS = 20

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
  const paths: Path[] = []
  const record = (path: Path): void => void paths.push(path)
  return (matrix, resolved, { scopes, explain }, ageSeconds) => {
    const { record: subject, permission, division } = resolved
    if (texts?.matrix !== matrix || texts.ageSeconds !== ageSeconds) {
      texts = new PathTexts(matrix, ageSeconds, texts)
    }
    paths.length = 0
    const outcome = decideRecord(
      matrix,
      subject,
      permission,
      division,
      scopes,
      explain ? record : undefined,
    )
    if (outcome === CONDITIONAL) {
      // The same evaluation once more: only a recorder is told what was missing.
      if (!explain) decideRecord(matrix, subject, permission, division, scopes, record)
      const wanted = wantedOf(paths)
      const listed = explain ? `,"paths":${texts.list(paths, permission)}` : ''
      return { outcome, text: `${STARTS[outcome]}${wanted}${texts.ofMatrix}${listed}}}` }
    }
    if (!explain) return { outcome, text: texts.unexplained[outcome] as string }
    if (paths.length === 0) return { outcome, text: texts.withoutPaths[outcome] as string }
    const listed = texts.list(paths, permission)
    return { outcome, text: `${texts.beforePaths[outcome]}${listed}}}` }
  }
}

/** The names that would decide the question: only of ways that are undecided themselves. */
function wantedOf(paths: readonly Path[]): string {
  const undecided = paths.filter((path) => path.outcome === CONDITIONAL)
  const missing = new Set(undecided.flatMap((path) => path.missing))
  const unusable = new Set(undecided.flatMap((path) => path.unusable))
  const written = member('missing', [...missing].sort())
  return unusable.size > 0 ? written + member('unusable', [...unusable].sort()) : written
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
    const same = last?.matrix === matrix ? last : undefined
    this.#roles = same ? same.#roles : []
    this.#divisions = same ? same.#divisions : []
    this.#groups = same ? same.#groups : []
    this.#policies = same ? same.#policies : []
    this.#flat = same ? same.#flat : []
  }

  /** A JSON list, the best ones first, and the member behind it that tells of others. */
  list(paths: Path[], permission: number): string {
    if (paths.length > 1) paths.sort((a, b) => a.outcome - b.outcome)
    let text = ''
    const count = Math.min(paths.length, MAX_DECISION_PATHS)
    for (let i = 0; i < count; i++) {
      const path = paths[i] as Path
      text += (i === 0 ? '' : ',') + this.#path(path, permission)
    }
    return paths.length > count ? `[${text}],"truncated":true` : `[${text}]`
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

/** As {@link namePath} calls them: a condition that plainly fails gives nothing. */
const PATH_OUTCOMES = OUTCOMES.map((name) => (name === 'not_granted' ? 'condition_failed' : name))

function member(name: string, value: unknown): string {
  return `"${name}":${JSON.stringify(value)},`
}
