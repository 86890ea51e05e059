import { ALL_DIVISIONS } from './facts.ts'
import type { Facts, Grant, SubjectFact } from './facts.ts'
import { Failure } from './failure.ts'
import { fitsGrantWord, grantBits, GROUP_BIT } from './matrix-layout.ts'

/** Facts in the order of their records, with the position of each id. */
export type OrderedFacts = Facts & {
  readonly roleIndex: ReadonlyMap<string, number>
  readonly divisionIndex: ReadonlyMap<string, number>
  readonly groupIndex: ReadonlyMap<string, number>
}

/** Where the roles and divisions of a matrix stand in it. */
export type GrantPositions = Pick<OrderedFacts, 'roleIndex' | 'divisionIndex'> & {
  readonly divisionCount: number
}

/** Lists laid end to end: list i begins at `starts[i]` and ends where the next one begins. */
export type WordLists = { readonly words: readonly number[]; readonly starts: readonly number[] }

export type Assignments = {
  /** Of each subject: grants ascending, then group indices | GROUP_BIT. */
  readonly subjects: WordLists
  /** Of each group: grants ascending. */
  readonly groups: WordLists
  readonly directGrants: number
  readonly groupGrants: number
  readonly memberships: number
  readonly skipped: number
}

/**
 * Who holds what: each subject's grants and groups, each group's grants, as numbers. Throws
 * `upstream-broken` when there are more roles and divisions than a grant has room for.
 */
export function encodeAssignments(facts: OrderedFacts): Assignments {
  if (!fitsGrantWord(facts.roles.length, facts.divisions.length)) {
    const counts = `${facts.roles.length} roles and ${facts.divisions.length} divisions`
    throw new Failure('upstream-broken', `${counts} are more than a matrix can hold`)
  }
  const positions = { ...facts, divisionCount: facts.divisions.length }
  const subjects = { words: [] as number[], starts: [0] }
  const groups = { words: [] as number[], starts: [0] }
  let memberships = 0
  let skipped = 0
  const addGrants = (words: number[], grants: readonly Grant[]): void => {
    const known = grantWords(positions, grants)
    skipped += known.skipped
    for (const word of known.words) words.push(word)
  }
  for (const subject of facts.subjects) {
    addGrants(subjects.words, subject.grants)
    const memberOf = groupIndices(subject, facts.groupIndex)
    for (const group of memberOf) subjects.words.push(group + GROUP_BIT)
    memberships += memberOf.length
    subjects.starts.push(subjects.words.length)
  }
  for (const group of facts.groups) {
    addGrants(groups.words, group.grants)
    groups.starts.push(groups.words.length)
  }
  const directGrants = subjects.words.length - memberships
  const groupGrants = groups.words.length
  return { subjects, groups, directGrants, groupGrants, memberships, skipped }
}

/** Grants as words, each once and ascending, without those of an unknown role or division. */
export function grantWords(
  positions: GrantPositions,
  grants: readonly Grant[],
): { words: number[]; skipped: number } {
  const { divisionBits, divisionMask } = grantBits(positions.divisionCount)
  const words = new Set<number>()
  let skipped = 0
  for (const { roleId, divisionId } of grants) {
    const role = positions.roleIndex.get(roleId)
    const everywhere = divisionId === ALL_DIVISIONS
    const division = everywhere ? divisionMask : positions.divisionIndex.get(divisionId)
    if (role === undefined || division === undefined) skipped += 1
    else words.add(role * 2 ** divisionBits + division)
  }
  return { words: [...words].sort((a, b) => a - b), skipped }
}

function groupIndices(subject: SubjectFact, groupIndex: ReadonlyMap<string, number>): number[] {
  const indices = new Set<number>()
  for (const id of subject.groupIds) {
    const index = groupIndex.get(id)
    if (index !== undefined) indices.add(index)
  }
  return [...indices].sort((a, b) => a - b)
}
