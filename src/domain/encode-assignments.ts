import { ALL_DIVISIONS } from './facts.ts'
import type { Facts, Grant, SubjectFact } from './facts.ts'
import { EVERY_DIVISION, GROUP_BIT } from './matrix-layout.ts'

/** Facts in ascending order of id, with the position of each id. */
export type OrderedFacts = Facts & {
  readonly roleIndex: ReadonlyMap<string, number>
  readonly divisionIndex: ReadonlyMap<string, number>
  readonly groupIndex: ReadonlyMap<string, number>
}

export type Assignments = {
  /** Each subject's, then each group's: pair indices ascending, then group indices | GROUP_BIT. */
  readonly words: number[]
  readonly starts: number[]
  readonly counts: number[]
  readonly pairs: number[]
  readonly directGrants: number
  readonly groupGrants: number
  readonly skipped: number
}

/** Who holds what: each subject's grants and groups, each group's grants, as numbers. */
export function encodeAssignments(facts: OrderedFacts): Assignments {
  // (role, division) as one number, so that a set of pairs is a set of numbers.
  const width = facts.divisions.length + 1
  let skipped = 0
  const keyOf = (grant: Grant): number | undefined => {
    const role = facts.roleIndex.get(grant.roleId)
    const everywhere = grant.divisionId === ALL_DIVISIONS
    const division = everywhere ? facts.divisions.length : facts.divisionIndex.get(grant.divisionId)
    if (role !== undefined && division !== undefined) return role * width + division
    skipped += 1
    return undefined
  }
  const keysOf = (grants: readonly Grant[]): number[] => {
    const keys = new Set<number>()
    for (const grant of grants) {
      const key = keyOf(grant)
      if (key !== undefined) keys.add(key)
    }
    return [...keys].sort((a, b) => a - b)
  }
  const holderKeys = [...facts.subjects, ...facts.groups].map((holder) => keysOf(holder.grants))
  const usedKeys = [...new Set(holderKeys.flat())].sort((a, b) => a - b)
  const pairByKey = new Map(usedKeys.map((key, index) => [key, index]))

  const words: number[] = []
  const starts: number[] = []
  const counts: number[] = []
  let directGrants = 0
  for (const [holder, keys] of holderKeys.entries()) {
    const start = words.length
    for (const key of keys) words.push(pairByKey.get(key) ?? 0)
    const subject = facts.subjects[holder]
    if (subject) {
      directGrants += keys.length
      for (const group of groupIndices(subject, facts.groupIndex)) {
        words.push((group | GROUP_BIT) >>> 0)
      }
    }
    starts.push(start)
    counts.push(words.length - start)
  }
  const grants = holderKeys.reduce((sum, keys) => sum + keys.length, 0)
  return {
    words,
    starts,
    counts,
    pairs: usedKeys.flatMap((key) => {
      const division = key % width
      const everywhere = division === facts.divisions.length
      return [Math.floor(key / width), everywhere ? EVERY_DIVISION : division]
    }),
    directGrants,
    groupGrants: grants - directGrants,
    skipped,
  }
}

function groupIndices(subject: SubjectFact, groupIndex: ReadonlyMap<string, number>): number[] {
  const indices = new Set<number>()
  for (const id of subject.groupIds) {
    const index = groupIndex.get(id)
    if (index !== undefined) indices.add(index)
  }
  return [...indices].sort((a, b) => a - b)
}
