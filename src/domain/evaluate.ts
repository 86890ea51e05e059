import { evaluateCondition } from './condition.ts'
import type { AttributeScopes, Wanting } from './condition.ts'
import {
  GROUP,
  GROUP_BIT,
  INFO,
  PERMISSION,
  PERMISSION_FLAG,
  POLICY,
  ROLE,
  SUBJECT,
  WILDCARD_TEXT,
} from './matrix-layout.ts'
import { ANY_DIVISION } from './matrix.ts'
import { findPackedRecord, findRecord } from './find-records.ts'
import { CONDITION_STEPS, RECORDED_NAME_STEPS, RECORDED_STEPS } from './step-count.ts'
import { hashPacked, packUuid } from './subject-id.ts'
import type { Matrix } from './matrix.ts'

/** Every answer to a check; the position in this list is its number, smaller numbers win. */
export const OUTCOMES = [
  'allowed',
  'unknown_permission',
  'unknown_user',
  'inactive_user',
  'conditional',
  'other_division',
  'not_granted',
] as const
export type OutcomeName = (typeof OUTCOMES)[number]
export type Reason = Exclude<OutcomeName, 'allowed'>

export const ALLOWED = 0
const UNKNOWN_PERMISSION = 1
export const UNKNOWN_USER = 2
const INACTIVE_USER = 3
export const CONDITIONAL = 4
export const OTHER_DIVISION = 5
export const NOT_GRANTED = 6

/** The number of an answer, an index into {@link OUTCOMES}. */
export type Outcome = number

/** One way in which a subject comes, or nearly comes, by a permission. */
export type Path = {
  readonly role: number
  /** Index, or the one that stands for every division. */
  readonly division: number
  /** The group that gives the grant, or -1 for a direct one. */
  readonly group: number
  /** Index of the policy, or -1 for a flat permission. */
  readonly policy: number
  /** What this path alone would answer: ALLOWED, CONDITIONAL, OTHER_DIVISION or NOT_GRANTED. */
  readonly outcome: Outcome
  /** Attributes that would have been needed; empty unless undecided. */
  readonly missing: readonly string[]
  /** Attributes that were given as what the condition cannot compare; empty unless undecided. */
  readonly unusable: readonly string[]
}

/** Is told of every path while a question is evaluated; it also keeps the evaluation from stopping early. */
export type Recorder = {
  (path: Path): void
  /** Set by who asks for no path in another division: those are neither weighed nor told. */
  readonly reachedOnly?: boolean
}

/** Nothing is missing where nothing was asked. */
const NONE: readonly string[] = []

/**
 * Whether a subject may do something: an index into {@link OUTCOMES}. A grant reaches the asked
 * division when it is in that division or in `*`; a permission that is not division-aware ignores
 * the division. Of several paths the best one counts: allowed, else undecided by a condition, else
 * in another division. A condition that plainly fails gives nothing.
 *
 * @param scopes values for conditions; without them what is conditional stays undecided
 * @param recorder makes the same evaluation visit every path and report it
 */
export function evaluate(
  matrix: Matrix,
  subjectId: string,
  permissionCode: string,
  divisionId?: string,
  scopes?: AttributeScopes,
  recorder?: Recorder,
): Outcome {
  if (!packUuid(subjectId)) {
    const permission = matrix.findPermission(permissionCode)
    const division = matrix.findDivision(divisionId)
    const record = findRecord(matrix, subjectId)
    return decideRecord(matrix, record, permission, division, scopes, recorder)
  }
  const bucket = hashPacked() >>> matrix.bucketShift
  // Asks for the subject's memory now, which in a big matrix takes as long as finding the rest.
  touched ^= matrix.subjects[matrix.buckets[bucket] as number] ?? 0
  const permission = matrix.findPermission(permissionCode)
  const division = divisionId === undefined ? ANY_DIVISION : matrix.findDivision(divisionId)
  const record = findPackedRecord(matrix, bucket)
  return decideRecord(matrix, record, permission, division, scopes, recorder)
}

/** Keeps the load that fills it from being optimised away; its value means nothing. */
let touched = 0

/** {@link evaluate} on indices: -1 for what was not found, ANY_DIVISION and UNKNOWN_DIVISION allowed. */
export function decide(
  matrix: Matrix,
  subject: number,
  permission: number,
  division: number,
  scopes?: AttributeScopes,
  recorder?: Recorder,
): Outcome {
  const record = subject < 0 ? -1 : (matrix.subjectStarts[subject] ?? -1)
  return decideRecord(matrix, record, permission, division, scopes, recorder)
}

/**
 * Whether {@link decide} would answer ALLOWED, and no more than that: conditions of grants in other
 * divisions, which could only change the reason of a denial, are not weighed.
 */
export function allows(
  matrix: Matrix,
  subject: number,
  permission: number,
  division: number,
  scopes: AttributeScopes | undefined,
): boolean {
  const record = subject < 0 ? -1 : (matrix.subjectStarts[subject] ?? -1)
  const outcome = decideRecord(
    matrix,
    record,
    permission,
    division,
    scopes,
    undefined,
    OTHER_DIVISION,
  )
  return outcome === ALLOWED
}

/**
 * {@link decide} for a subject by where its record begins, as `findRecord` tells.
 *
 * @param least the answer when there is no better one: what is no better is not looked for
 */
export function decideRecord(
  matrix: Matrix,
  record: number,
  permission: number,
  division: number,
  scopes?: AttributeScopes,
  recorder?: Recorder,
  least: Outcome = NOT_GRANTED,
): Outcome {
  if (permission < 0) return UNKNOWN_PERMISSION
  if (record < 0) return UNKNOWN_USER
  const { subjects, groupGrants, groups } = matrix
  const info = subjects[record + SUBJECT.info] as number
  if ((info & INFO.stateMask) !== 0) return INACTIVE_USER
  const asked = matrix.divisionAware[permission] === 1 ? division : ANY_DIVISION
  const start = record + SUBJECT.assignments
  const end = start + (info & INFO.countMask)
  matrix.steps.count(info & INFO.countMask)
  let best = least
  for (let i = start; i < end; i++) {
    const assignment = subjects[i] as number
    if (assignment >= 0) {
      best = betterOutcome(matrix, assignment, -1, permission, asked, scopes, recorder, best)
    } else {
      const group = assignment & ~GROUP_BIT
      const at = group * GROUP.words
      if (groups[at + GROUP.enabled] !== 1) continue
      const first = groups[at + GROUP.start] as number
      const last = first + (groups[at + GROUP.count] as number)
      matrix.steps.count(last - first)
      for (let j = first; j < last; j++) {
        const grant = groupGrants[j] as number
        best = betterOutcome(matrix, grant, group, permission, asked, scopes, recorder, best)
      }
    }
    if (best === ALLOWED && recorder === undefined) return ALLOWED
  }
  return best
}

/**
 * What one grant answers, whoever holds it, or `best` where that is better. Most speak of other
 * things: that much is inlined. Its arguments stand one by one, for this runs for every grant of every
 * check, and an object to hold them would have to be made each time.
 */
function betterOutcome(
  matrix: Matrix,
  grant: number,
  group: number,
  permission: number,
  asked: number,
  scopes: AttributeScopes | undefined,
  recorder: Recorder | undefined,
  best: Outcome,
): Outcome {
  const role = grant >>> matrix.divisionBits
  const word = matrix.givingRoles[permission * matrix.roleWords + (role >>> 5)] as number
  const given = (word & (1 << (role & 31))) !== 0
  if (!given && matrix.conditionalRows[role] === 0) return best
  return speakingOutcome(matrix, grant, group, permission, asked, given, scopes, recorder, best)
}

/**
 * The same for a grant whose role gives the permission, or may give it under a condition; with its
 * arguments one by one for the same reason.
 */
function speakingOutcome(
  matrix: Matrix,
  grant: number,
  group: number,
  permission: number,
  asked: number,
  given: boolean,
  scopes: AttributeScopes | undefined,
  recorder: Recorder | undefined,
  best: Outcome,
): Outcome {
  const role = grant >>> matrix.divisionBits
  if (!given && !speaksUnderCondition(matrix, role, permission)) return best
  const division = grant & matrix.divisionMask
  const everywhere = division === matrix.divisionMask
  const reached = asked === ANY_DIVISION || everywhere || division === asked
  if (recorder === undefined) {
    if (best <= (reached ? ALLOWED : OTHER_DIVISION)) return best
    if (given) return reached ? ALLOWED : OTHER_DIVISION
    if (scopes === undefined) return Math.min(best, reached ? CONDITIONAL : OTHER_DIVISION)
  } else if (!reached && recorder.reachedOnly === true) {
    return best
  }
  const outcome = policiesOutcome(
    matrix,
    role,
    division,
    group,
    permission,
    reached,
    scopes,
    recorder,
  )
  return Math.min(best, outcome)
}

function speaksUnderCondition(matrix: Matrix, role: number, permission: number): boolean {
  const row = matrix.conditionalRows[role] as number
  if (row === 0) return false
  const at = (row - 1) * matrix.permissionWords + (permission >>> 5)
  return ((matrix.conditionalBits[at] as number) & (1 << (permission & 31))) !== 0
}

/**
 * The same by the role's policies one by one, for conditions to be weighed and paths recorded; with
 * its arguments one by one for the same reason.
 */
function policiesOutcome(
  matrix: Matrix,
  role: number,
  division: number,
  group: number,
  permission: number,
  reached: boolean,
  scopes: AttributeScopes | undefined,
  recorder: Recorder | undefined,
): Outcome {
  let best = NOT_GRANTED
  const consider = (
    policy: number,
    verdict: Outcome,
    missing: readonly string[] = NONE,
    unusable: readonly string[] = NONE,
  ): void => {
    const outcome = !reached && verdict !== NOT_GRANTED ? OTHER_DIVISION : verdict
    best = Math.min(best, outcome)
    if (recorder === undefined) return
    const names = missing.length + unusable.length
    matrix.steps.count(RECORDED_STEPS + names * RECORDED_NAME_STEPS)
    recorder({ role, division, group, policy, outcome, missing, unusable })
  }
  if (givesFlat(matrix, role, permission)) consider(-1, ALLOWED)
  const record = role * ROLE.words
  const first = matrix.roles[record + ROLE.policyStart] as number
  const last = first + (matrix.roles[record + ROLE.policyCount] as number)
  matrix.steps.count(last - first)
  const { policies, permissions } = matrix
  const domain = permissions[permission * PERMISSION.words + PERMISSION.domain]
  const enough = reached ? ALLOWED : OTHER_DIVISION
  for (let policy = first; policy < last; policy++) {
    // A role may have hundreds, most of them of other domains: those are passed over at once.
    if (policies[policy * POLICY.words + POLICY.domain] !== domain) continue
    if (recorder === undefined && best <= enough) return best
    if (!speaksOf(matrix, policy, permission)) continue
    const condition = policies[policy * POLICY.words + POLICY.condition] as number
    if (condition === 0) {
      consider(policy, ALLOWED)
      continue
    }
    matrix.steps.count(CONDITION_STEPS)
    const wanting = recorder && clearWanting(matrix)
    const verdict = evaluateCondition(matrix.condition(condition - 1), scopes ?? [], wanting)
    if (verdict !== 'undecided') consider(policy, verdict === 'holds' ? ALLOWED : NOT_GRANTED)
    else if (wanting)
      consider(policy, CONDITIONAL, listOf(wanting.missing), listOf(wanting.unusable))
    else consider(policy, CONDITIONAL)
  }
  return best
}

function clearWanting({ wanting }: Matrix): Wanting {
  wanting.missing.clear()
  wanting.unusable.clear()
  return wanting
}

function listOf(names: ReadonlySet<string>): readonly string[] {
  return names.size === 0 ? NONE : [...names]
}

function givesFlat(matrix: Matrix, role: number, permission: number): boolean {
  const record = role * ROLE.words
  const first = matrix.roles[record + ROLE.flatStart] as number
  const last = first + (matrix.roles[record + ROLE.flatCount] as number)
  for (let i = first; i < last; i++) if (matrix.flat[i] === permission) return true
  return false
}

/** The match rule of `permission.ts`, on text numbers: equal texts have equal numbers. */
function speaksOf(matrix: Matrix, policy: number, permission: number): boolean {
  const { policies, permissions, actions } = matrix
  const record = policy * POLICY.words
  const asked = permission * PERMISSION.words
  if ((permissions[asked + PERMISSION.flags] as number) & PERMISSION_FLAG.flat) return false
  if (policies[record + POLICY.domain] !== permissions[asked + PERMISSION.domain]) return false
  const entity = policies[record + POLICY.entity] as number
  if (entity !== permissions[asked + PERMISSION.entity] && entity !== WILDCARD_TEXT) return false
  const action = permissions[asked + PERMISSION.action]
  const first = policies[record + POLICY.actionStart] as number
  const last = first + (policies[record + POLICY.actionCount] as number)
  for (let i = first; i < last; i++) {
    if (actions[i] === action || actions[i] === WILDCARD_TEXT) return true
  }
  return false
}
