import type { AttributeScopes } from './condition.ts'
import { CONDITIONAL, evaluate, NOT_GRANTED, OTHER_DIVISION, OUTCOMES } from './evaluate.ts'
import type { Outcome, OutcomeName, Path, Reason } from './evaluate.ts'
import { ROLE } from './matrix-layout.ts'
import type { Matrix, Named } from './matrix.ts'
import { nearestName } from './permission.ts'
import { pathPolicyName } from './role-records.ts'

/** One way to a permission, in names that a person knows. */
export type NamedPath = {
  readonly role: Named
  readonly division: Named
  readonly via: { readonly type: 'direct' } | ({ readonly type: 'group' } & Named)
  /** `routing:queue:*`, or the flat permission's own name. */
  readonly policy: string
  /** What this path alone answers; `condition_failed` when its condition plainly does not hold. */
  readonly outcome: 'allowed' | 'conditional' | 'other_division' | 'condition_failed'
  /** Attributes that the condition needs and did not get; present when undecided. */
  readonly missing?: readonly string[]
  /** Attributes that it got as what it cannot compare; present when undecided. */
  readonly unusable?: readonly string[]
}

/** What comes nearest to an answer of yes. Only what applies is present. */
export type NearestMiss = {
  /** For an unknown permission: the known name that resembles it most. */
  readonly permission?: string
  /** For an inactive user: its state. */
  readonly state?: string
  /** Attributes that would decide the question. */
  readonly missing?: readonly string[]
  /** Attributes that would, had they been given as what can be compared. */
  readonly unusable?: readonly string[]
  /** For a grant elsewhere: the divisions where the user does hold it. */
  readonly divisions?: readonly Named[]
  /** For a permission not granted: roles of the organisation that give it, at most ten. */
  readonly roles?: readonly Named[]
  /** How many roles give it in all. */
  readonly roleCount?: number
}

type Explanation = {
  readonly paths: readonly NamedPath[]
  /** True when there were more paths than are listed. */
  readonly truncated?: true
  readonly nearest?: NearestMiss
}

export type ExplainedDecision = {
  readonly allowed: boolean
  readonly reason?: Reason
  readonly explanation: Explanation
}

/** A user in many groups may hold a permission in thousands of ways; nobody reads more than these. */
export const MAX_PATHS = 200
const MAX_ROLES = 10

export type Question = {
  readonly subjectId: string
  readonly permission: string
  readonly divisionId?: string | undefined
}

/** The same evaluation as a plain check, with every path told by name, the best ones first. */
export function explain(
  matrix: Matrix,
  question: Question,
  scopes?: AttributeScopes,
): ExplainedDecision {
  const paths: Path[] = []
  const { subjectId, permission, divisionId } = question
  const outcome = evaluate(matrix, subjectId, permission, divisionId, scopes, (path) => {
    paths.push(path)
  })
  const name = OUTCOMES[outcome] ?? 'not_granted'
  const index = matrix.findPermission(permission)
  paths.sort((a, b) => a.outcome - b.outcome)
  const listed = paths.slice(0, MAX_PATHS).map((path) => namePath(matrix, path, index))
  const truncated = paths.length > MAX_PATHS ? { truncated: true as const } : {}
  if (name === 'allowed') return { allowed: true, explanation: { paths: listed, ...truncated } }
  const nearest = nearestMiss(matrix, question, name, paths)
  return { allowed: false, reason: name, explanation: { paths: listed, ...truncated, nearest } }
}

export function namePath(matrix: Matrix, path: Path, permission: number): NamedPath {
  const via =
    path.group < 0
      ? { type: 'direct' as const }
      : { type: 'group' as const, ...named(matrix.group(path.group)) }
  const outcome = path.outcome === NOT_GRANTED ? 'condition_failed' : OUTCOMES[path.outcome]
  return {
    role: matrix.role(path.role),
    division: matrix.grantDivision(path.division),
    via,
    policy: pathPolicyName(matrix, path.policy, permission),
    outcome: outcome as NamedPath['outcome'],
    ...(path.missing.length > 0 ? { missing: path.missing } : {}),
    ...(path.unusable.length > 0 ? { unusable: path.unusable } : {}),
  }
}

function named({ id, name }: Named): Named {
  return { id, name }
}

function nearestMiss(
  matrix: Matrix,
  question: Question,
  outcome: Exclude<OutcomeName, 'allowed'>,
  paths: readonly Path[],
): NearestMiss {
  switch (outcome) {
    case 'unknown_permission': {
      const permission = nearestName(question.permission, matrix.permissionCodes())
      return permission === undefined ? {} : { permission }
    }
    case 'unknown_user':
      return {}
    case 'inactive_user':
      return { state: matrix.subject(matrix.findSubject(question.subjectId)).state }
    case 'conditional': {
      const undecided = nearPaths(paths, CONDITIONAL)
      const missing = [...new Set(undecided.flatMap((path) => path.missing))].sort()
      const unusable = [...new Set(undecided.flatMap((path) => path.unusable))].sort()
      return unusable.length > 0 ? { missing, unusable } : { missing }
    }
    case 'other_division': {
      const divisions = [...new Set(nearPaths(paths, OTHER_DIVISION).map((path) => path.division))]
      return { divisions: divisions.map((division) => matrix.grantDivision(division)) }
    }
    case 'not_granted':
      return givingRoles(matrix, matrix.findPermission(question.permission))
  }
}

/** Only the paths that answer as the whole does: what another one lacks would not help. */
function nearPaths(paths: readonly Path[], outcome: Outcome): Path[] {
  return paths.filter((path) => path.outcome === outcome)
}

function givingRoles(matrix: Matrix, permission: number): NearestMiss {
  const roles: Named[] = []
  let roleCount = 0
  for (let role = 0; role < matrix.roleCount; role++) {
    if (!roleSpeaksOf(matrix, role, permission)) continue
    roleCount += 1
    if (roles.length < MAX_ROLES) roles.push(matrix.role(role))
  }
  return { roles, roleCount }
}

function roleSpeaksOf(matrix: Matrix, role: number, permission: number): boolean {
  const word = permission >>> 5
  const bit = 1 << (permission & 31)
  const row = matrix.roles[role * ROLE.words + ROLE.conditional] ?? 0
  const given = matrix.roleBits[role * matrix.permissionWords + word] ?? 0
  const conditional =
    row === 0 ? 0 : (matrix.conditionalBits[(row - 1) * matrix.permissionWords + word] ?? 0)
  return ((given | conditional) & bit) !== 0
}
