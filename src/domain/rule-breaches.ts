import type { Matrix } from './matrix.ts'
import type { PreparedRules } from './prepare-rules.ts'
import type { ResolvedRule } from './resolve-role-rules.ts'
import { hasBit } from './role-rows.ts'
import type { RuleConflict } from './role-rules.ts'

/**
 * The grants in force for a person, in a matrix's numbers: grant i is of role `roles[i]` in division
 * `divisions[i]`, `divisionMask` standing for every division and numbers above it for divisions that
 * the matrix does not know.
 */
export type HeldGrants = {
  readonly roles: readonly number[]
  readonly divisions: readonly number[]
}

/** What breaks a rule at one place. */
type Breach = { readonly roles: readonly number[]; readonly permissions: readonly number[] }

/** Where rules that hold overall are looked at: every grant counts. */
export const OVERALL = -1

/** A broken rule in numbers: `rule` is its position, `place` a division or {@link OVERALL}. */
export type Conflict = {
  readonly rule: number
  readonly place: number
  readonly breach: Breach
  readonly status: RuleConflict['status']
}

type RuledGrants = { readonly prepared: PreparedRules; readonly held: HeldGrants }

/**
 * What is broken after, and whether it was so before: `new` where the rule held at that place,
 * `worse` where a role or permission has joined, else `existing`. What is broken in every division
 * is told once for all of them, and again only where more meets or where it is news.
 */
export function compareBreaches(before: RuledGrants, after: RuledGrants): Conflict[] {
  const { prepared, held } = after
  const positions = new Set<number>()
  for (const role of held.roles) {
    for (const position of prepared.byRole[role] ?? []) positions.add(position)
  }
  const conflicts: Conflict[] = []
  for (const rule of [...positions].sort((a, b) => a - b)) {
    const everywhere = prepared.matrix.divisionMask
    const overall = prepared.rules[rule]?.rule.scope === 'overall'
    const places = overall
      ? [OVERALL]
      : new Set([everywhere, ...held.divisions, ...before.held.divisions])
    let general: Conflict | undefined
    for (const place of places) {
      const breach = breachAt(prepared, rule, held, place)
      if (breach === undefined) continue
      const earlier =
        before.held === held && before.prepared === prepared
          ? breach
          : breachAt(before.prepared, rule, before.held, place)
      const conflict = { rule, place, breach, status: statusOf(breach, earlier) }
      if (general !== undefined && saysNoMore(conflict, general)) continue
      if (place === everywhere) general = conflict
      conflicts.push(conflict)
    }
  }
  return conflicts
}

function statusOf(breach: Breach, earlier: Breach | undefined): RuleConflict['status'] {
  if (earlier === undefined) return 'new'
  // Of permissions that must not meet it matters which ones do, not by how many roles.
  const joined =
    breach.permissions.length > 0
      ? breach.permissions.some((permission) => !earlier.permissions.includes(permission))
      : breach.roles.some((role) => !earlier.roles.includes(role))
  return joined ? 'worse' : 'existing'
}

function saysNoMore(conflict: Conflict, general: Conflict): boolean {
  const { breach, status } = conflict
  return (
    (status === 'existing' || general.status !== 'existing') &&
    breach.roles.length === general.breach.roles.length &&
    breach.permissions.length === general.breach.permissions.length
  )
}

/** What breaks a rule at a place; undefined where it holds. */
function breachAt(
  prepared: PreparedRules,
  position: number,
  held: HeldGrants,
  place: number,
): Breach | undefined {
  const rule = prepared.rules[position]
  if (rule === undefined) return undefined
  const { matrix } = prepared
  if (rule.kind === 'segregates') return segregationBreach(matrix, rule, rule.gives, held, place)
  const roles = new Set<number>()
  const others = new Set<number>()
  for (const [i, role] of held.roles.entries()) {
    if (!reaches(matrix, held.divisions[i] as number, place)) continue
    if (rule.roles.has(role)) roles.add(role)
    if (rule.others.has(role)) others.add(role)
  }
  if (roles.size === 0) return undefined
  if (rule.kind === 'requires') {
    return others.size > 0 ? undefined : { roles: ascending(roles), permissions: [] }
  }
  if (others.size === 0) return undefined
  const meeting = new Set([...ascending(roles), ...ascending(others)])
  return meeting.size < 2 ? undefined : { roles: [...meeting], permissions: [] }
}

function segregationBreach(
  matrix: Matrix,
  rule: ResolvedRule & { readonly kind: 'segregates' },
  gives: ReadonlyMap<number, readonly number[]>,
  held: HeldGrants,
  place: number,
): Breach | undefined {
  const roles = new Set<number>()
  const permissions = new Set<number>()
  for (const [i, role] of held.roles.entries()) {
    const reached = reaches(matrix, held.divisions[i] as number, place)
    for (const permission of gives.get(role) ?? []) {
      // What no division narrows is held in all of them, wherever it was granted.
      if (!reached && matrix.divisionAware[permission] === 1) continue
      permissions.add(permission)
      roles.add(role)
    }
  }
  const meeting = ascending(permissions)
  const met = rule.sets.filter((set) => meeting.some((permission) => hasBit(set, permission)))
  return met.length < 2 ? undefined : { roles: ascending(roles), permissions: meeting }
}

export function reaches(matrix: Matrix, division: number, place: number): boolean {
  return place === OVERALL || division === matrix.divisionMask || division === place
}

function ascending(numbers: Iterable<number>): number[] {
  return [...numbers].sort((a, b) => a - b)
}
