import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import tap, { test } from 'tap'
import { buildMatrix } from '../../src/domain/build-matrix.ts'
import { compareMatrices, DRIFT_KINDS, isEmptyDrift } from '../../src/domain/compare-matrices.ts'
import type { AttributeScopes } from '../../src/domain/condition.ts'
import { evaluate, OUTCOMES } from '../../src/domain/evaluate.ts'
import type { OutcomeName } from '../../src/domain/evaluate.ts'
import { explain } from '../../src/domain/explain.ts'
import type { ExplainedDecision, NamedPath } from '../../src/domain/explain.ts'
import type { Facts, SubjectFact } from '../../src/domain/facts.ts'
import { listHolders, listPermissions } from '../../src/domain/listing.ts'
import type { Page } from '../../src/domain/listing.ts'
import { matrixFacts, subjectFacts } from '../../src/domain/matrix-facts.ts'
import { Matrix } from '../../src/domain/matrix.ts'
import { mergeSubjects } from '../../src/domain/merge-subjects.ts'
import {
  arbitraryFacts,
  arbitraryScopes,
  arbitrarySubjects,
  ODD_IDS,
  shuffleFacts,
} from './support/arbitrary-facts.ts'
import { checkUntilMet } from './support/check-until-met.ts'
import { naiveDrift } from './support/naive-drift.ts'
import {
  bestOutcome,
  knownGrants,
  naiveOutcome,
  naivePermissions,
  naiveWays,
  plainRefusal,
  roleSpeaks,
  wayOutcome,
} from './support/naive-evaluator.ts'
import type { NaiveQuestion, Way } from './support/naive-evaluator.ts'

// Thousands of worlds take seconds; a machine that does much else besides may need longer.
tap.setTimeout(580_000)

const UNKNOWN_PERMISSIONS = ['routing:queue:VIEW', ' routing:queue:view', 'toString', '\uFFFD']
const UNKNOWN_DIVISIONS = ['*', 'no such division', '', '\uD800']

/** Permissions worth asking for: all of the world's but most of the filler. */
function askedPermissions(facts: Facts): string[] {
  const known = naivePermissions(facts)
  const filler = known.filter((name) => name.startsWith('filler'))
  return known.filter((name) => !filler.includes(name) || filler.indexOf(name) % 31 === 0)
}

function askedDivisions(facts: Facts): (string | undefined)[] {
  return [undefined, ...new Set([...facts.divisions.map(({ id }) => id), ...UNKNOWN_DIVISIONS])]
}

/** The one way of naming an outcome that both evaluators share. */
function ask(
  matrix: Matrix,
  question: NaiveQuestion,
  scopes: AttributeScopes | undefined,
  recorder?: () => void,
): OutcomeName | undefined {
  const { subjectId, permission, divisionId } = question
  return OUTCOMES[evaluate(matrix, subjectId, permission, divisionId, scopes, recorder)]
}

function say(question: NaiveQuestion, scopes: unknown): string {
  return JSON.stringify({ ...question, scopes })
}

test('every question in a generated world is answered as the design says', async (t) => {
  const seen = Object.fromEntries(OUTCOMES.map((name) => [name, 0])) as Record<OutcomeName, number>
  const turned = { allowed: 0, denied: 0 }
  const check = (
    matrix: Matrix,
    facts: Facts,
    question: NaiveQuestion,
    ways: readonly Way[],
    scopes: AttributeScopes | undefined,
  ): OutcomeName => {
    const expected = plainRefusal(facts, question) ?? bestOutcome(facts, question, ways)
    const plain = ask(matrix, question, scopes)
    if (plain !== expected) assert.equal(plain, expected, say(question, scopes))
    const recorded = ask(matrix, question, scopes, () => {})
    if (recorded !== plain) assert.equal(recorded, plain, `recorded ${say(question, scopes)}`)
    seen[expected] += 1
    return expected
  }
  const property = fc.property(arbitraryFacts, arbitraryScopes, (facts, scopes) => {
    const matrix = new Matrix(buildMatrix(facts))
    for (const permission of askedPermissions(facts)) {
      for (const { id: subjectId } of facts.subjects) {
        const without = naiveWays(facts, subjectId, permission, [])
        const answered = naiveWays(facts, subjectId, permission, scopes)
        for (const divisionId of askedDivisions(facts)) {
          const question = { subjectId, permission, divisionId }
          const before = check(matrix, facts, question, without, undefined)
          const after = check(matrix, facts, question, answered, scopes)
          if (before !== 'conditional' || after === before) continue
          turned[after === 'allowed' ? 'allowed' : 'denied'] += 1
        }
      }
    }
  })
  fc.assert(property, { numRuns: 1_000 })
  // A generator that met none of these would prove nothing.
  for (const name of ['allowed', 'inactive_user', 'not_granted'] as const) {
    t.ok(seen[name] > 20_000, `${seen[name]} ${name}`)
  }
  for (const name of ['conditional', 'other_division'] as const) {
    t.ok(seen[name] > 2_000, `${seen[name]} ${name}`)
  }
  t.ok(turned.allowed > 10, `${turned.allowed} conditional answers turned to allowed by attributes`)
  t.ok(turned.denied > 10, `${turned.denied} conditional answers turned to denied by attributes`)
})

test('names that a world does not have are unknown, however near they come', async (t) => {
  let near = 0
  fc.assert(
    fc.property(arbitraryFacts, (facts) => {
      const matrix = new Matrix(buildMatrix(facts))
      const [known = 'none'] = naivePermissions(facts)
      const subjects = [...ODD_IDS, ...facts.subjects.map(({ id }) => `${id}\u0000`)]
      for (const subjectId of subjects) {
        const question = { subjectId, permission: known }
        assert.equal(ask(matrix, question, []), naiveOutcome(facts, question), say(question, []))
        near += 1
      }
      const permissions = [...UNKNOWN_PERMISSIONS, `${known} `, known.toUpperCase(), ...ODD_IDS]
      for (const permission of permissions) {
        const question = { subjectId: facts.subjects[0]?.id ?? 'nobody', permission }
        assert.equal(ask(matrix, question, []), naiveOutcome(facts, question), say(question, []))
      }
    }),
    { numRuns: 500 },
  )
  t.ok(near > 10_000, `${near} near names`)
})

function pathText(path: NamedPath): string {
  const via = path.via.type === 'group' ? ['group', path.via.id] : ['direct', null]
  return JSON.stringify([path.role.id, path.division.id, ...via, path.policy, path.outcome])
}

function wayText(facts: Facts, question: NaiveQuestion, way: Way): string {
  const via = way.groupId === null ? ['direct', null] : ['group', way.groupId]
  const outcome = wayOutcome(facts, question, way)
  return JSON.stringify([way.roleId, way.divisionId, ...via, way.policy, outcome])
}

function checkNearestMiss(
  facts: Facts,
  question: NaiveQuestion,
  explained: ExplainedDecision,
  ways: readonly Way[],
): void {
  const { nearest } = explained.explanation
  if (explained.reason === 'other_division') {
    const elsewhere = ways.filter((way) => wayOutcome(facts, question, way) === 'other_division')
    const held = [...new Set(elsewhere.map((way) => way.divisionId))].sort()
    assert.deepEqual(nearest?.divisions?.map(({ id }) => id).sort(), held)
  }
  if (explained.reason === 'not_granted') {
    const giving = facts.roles.filter((role) => roleSpeaks(facts, role, question.permission, [])[0])
    assert.deepEqual(
      nearest?.roles?.map(({ id }) => id),
      giving.map(({ id }) => id).sort(),
    )
    assert.equal(nearest?.roleCount, giving.length)
  }
  if (explained.reason === 'inactive_user') {
    assert.equal(nearest?.state, facts.subjects.find(({ id }) => id === question.subjectId)?.state)
  }
}

test('an explanation gives the same answer as a check, by every way there is', async (t) => {
  let paths = 0
  fc.assert(
    fc.property(arbitraryFacts, arbitraryScopes, (facts, scopes) => {
      const matrix = new Matrix(buildMatrix(facts))
      for (const permission of [...askedPermissions(facts), 'unknown']) {
        for (const { id: subjectId } of facts.subjects) {
          const ways = naiveWays(facts, subjectId, permission, scopes)
          for (const divisionId of [undefined, facts.divisions[0]?.id, '*']) {
            const question = { subjectId, permission, divisionId }
            const explained = explain(matrix, question, scopes)
            const answer = explained.allowed ? 'allowed' : explained.reason
            assert.equal(answer, ask(matrix, question, scopes), say(question, scopes))
            const told = explained.explanation.paths.map(pathText).sort()
            const expected = ways.map((way) => wayText(facts, question, way)).sort()
            assert.deepEqual(told, expected, say(question, scopes))
            checkNearestMiss(facts, question, explained, ways)
            paths += told.length
          }
        }
      }
    }),
    { numRuns: 500 },
  )
  t.ok(paths > 4_000, `${paths} ways were compared`)
})

/** Reads a listing to its end, page by page. */
function readAll<Item>(limit: number, read: (from: number) => Page<Item>): Item[] {
  const items: Item[] = []
  let from: number | undefined = 0
  while (from !== undefined) {
    const page: Page<Item> = read(from)
    assert.ok(page.items.length <= limit)
    assert.ok(page.next === undefined || page.items.length === limit)
    assert.ok(page.next === undefined || page.next > from)
    items.push(...page.items)
    from = page.next
  }
  return items
}

const HELD = new Set(['allowed', 'conditional'])

function checkSources(question: NaiveQuestion, facts: Facts, sources: readonly NamedPath[]): void {
  const ways = naiveWays(facts, question.subjectId, question.permission, [])
  const giving = ways
    .filter((way) => HELD.has(wayOutcome(facts, question, way)))
    .map((way) => wayText(facts, question, way))
  // A listing names at most twenty sources of one item.
  assert.equal(sources.length, Math.min(giving.length, 20))
  const told = sources.map(pathText)
  if (giving.length <= 20) assert.deepEqual(told.sort(), giving.sort())
  else assert.ok(told.every((text) => giving.includes(text)))
}

test('listings hold what checks allow or call conditional, in pages of any size', async (t) => {
  let listed = 0
  const property = fc.property(arbitraryFacts, fc.integer({ min: 1, max: 5 }), (facts, limit) => {
    const matrix = new Matrix(buildMatrix(facts))
    for (const divisionId of [undefined, facts.divisions[0]?.id, '*']) {
      const held: string[] = []
      const expected: string[] = []
      for (const { id: subjectId } of facts.subjects) {
        const subject = matrix.findSubject(subjectId)
        const items = readAll(limit, (from) =>
          listPermissions(matrix, subject, { from, limit, divisionId }),
        )
        for (const { permission, conditional, sources } of items) {
          held.push(JSON.stringify([subjectId, permission, conditional]))
          checkSources({ subjectId, permission, divisionId }, facts, sources)
        }
        for (const permission of naivePermissions(facts).sort()) {
          const outcome = naiveOutcome(facts, { subjectId, permission, divisionId })
          if (!HELD.has(outcome)) continue
          expected.push(JSON.stringify([subjectId, permission, outcome === 'conditional']))
        }
      }
      assert.deepEqual(held, expected)
      const holders: string[] = []
      for (const permission of naivePermissions(facts)) {
        const index = matrix.findPermission(permission)
        const items = readAll(limit, (from) =>
          listHolders(matrix, index, { from, limit, divisionId }),
        )
        assert.equal(new Set(items.map(({ id }) => id)).size, items.length)
        for (const { id, conditional, sources } of items) {
          holders.push(JSON.stringify([id, permission, conditional]))
          checkSources({ subjectId: id, permission, divisionId }, facts, sources)
        }
      }
      assert.deepEqual(holders.sort(), expected.sort())
      listed += held.length
    }
  })
  await checkUntilMet(property, 200, () => listed > 1_000)
  t.ok(listed > 1_000, `${listed} held permissions were listed`)
})

function sameBytes(a: SharedArrayBuffer, b: SharedArrayBuffer): boolean {
  return Buffer.from(a).equals(Buffer.from(b))
}

test('the same facts give the same bytes, read back or in whatever order', async (t) => {
  const property = fc.property(arbitraryFacts, fc.nat(), (facts, seed) => {
    const buffer = buildMatrix(facts)
    assert.ok(sameBytes(buildMatrix(matrixFacts(new Matrix(buffer))), buffer), 'read back')
    assert.ok(sameBytes(buildMatrix(shuffleFacts(facts, seed)), buffer), 'shuffled')
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 1_000 }))
})

test('subjects read from a matrix are the facts, without what could not be kept', async (t) => {
  const property = fc.property(arbitraryFacts, (facts) => {
    const matrix = new Matrix(buildMatrix(facts))
    for (const subject of facts.subjects) {
      const [read, ...others] = subjectFacts(matrix, ['not there', subject.id])
      assert.equal(others.length, 0)
      const groups = new Set(facts.groups.map(({ id }) => id))
      const kept = {
        ...subject,
        name: subject.name.toWellFormed(),
        groupIds: [...new Set(subject.groupIds)].filter((id) => groups.has(id)),
        grants: knownGrants(facts, subject.grants),
      }
      assert.deepEqual(subjectTexts(read), subjectTexts(kept))
    }
    assert.equal(matrix.subjectCount, facts.subjects.length)
    assert.equal(matrix.userCount, facts.subjects.filter(({ kind }) => kind === 'user').length)
    const direct = facts.subjects.map(({ grants }) => knownGrants(facts, grants).length)
    assert.equal(matrix.directGrantCount, sum(direct))
    const inGroups = facts.groups.map(({ grants }) => knownGrants(facts, grants).length)
    assert.equal(matrix.groupGrantCount, sum(inGroups))
    const skipped = matrix.description.gaps.grantsOfUnknownRoleOrDivision
    assert.equal(skipped, facts.gaps.grantsOfUnknownRoleOrDivision + skippedGrants(facts))
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 200 }))
})

function subjectTexts(subject: SubjectFact | undefined): unknown {
  if (subject === undefined) return undefined
  const { id, kind, name, email, state, groupIds } = subject
  const grants = subject.grants.map(({ roleId, divisionId }) => `${roleId} in ${divisionId}`)
  return [id, kind, name, email, state, [...groupIds].sort(), grants.sort()]
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

/** Grants that name what was not listed, repetitions counted. */
function skippedGrants({ subjects, groups, roles, divisions }: Facts): number {
  const known = { roles: roles.map(({ id }) => id), divisions: divisions.map(({ id }) => id) }
  const grants = [...subjects, ...groups].flatMap((holder) => holder.grants)
  return grants.filter(
    ({ roleId, divisionId }) =>
      !known.roles.includes(roleId) || !['*', ...known.divisions].includes(divisionId),
  ).length
}

test('merging subjects equals building anew with these subjects in place of the old', async (t) => {
  const property = fc.property(arbitraryFacts, arbitrarySubjects, (facts, replacements) => {
    const merged = mergeSubjects(buildMatrix(facts), replacements)
    const isOld = ({ id }: { id: string }): boolean => replacements.some((one) => one.id === id)
    const old = facts.subjects.filter(isOld)
    // What was left out once stays counted: the matrix no longer knows whose it was.
    const counted = skippedGrants({ ...facts, subjects: old, groups: [] })
    const { grantsOfUnknownRoleOrDivision } = facts.gaps
    const anew = buildMatrix({
      ...facts,
      subjects: [...facts.subjects.filter((one) => !isOld(one)), ...replacements],
      gaps: {
        ...facts.gaps,
        grantsOfUnknownRoleOrDivision: grantsOfUnknownRoleOrDivision + counted,
      },
    })
    assert.ok(sameBytes(merged, anew))
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500 }))
})

test('a world compared with itself, in whatever order, does not differ', async (t) => {
  const property = fc.property(arbitraryFacts, fc.nat(), (facts, seed) => {
    const drift = compareMatrices(buildMatrix(facts), buildMatrix(shuffleFacts(facts, seed)))
    assert.ok(isEmptyDrift(drift))
    assert.deepEqual([...drift.entries, ...drift.subjectIds], [])
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 200 }))
})

test('two worlds compared differ in exactly what one has and the other has not', async (t) => {
  const seen = new Set<string>()
  const property = fc.property(arbitraryFacts, arbitraryFacts, (before, after) => {
    const drift = compareMatrices(buildMatrix(before), buildMatrix(after))
    const told = drift.entries.map(({ kind, id, roleId, divisionId, detail = '' }) => {
      return [kind, id, roleId === undefined ? detail : `${roleId} in ${divisionId}`].join('|')
    })
    const { ofSubjects, ofOthers, subjectIds } = naiveDrift(before, after)
    const expected = [...ofSubjects, ...ofOthers]
    assert.deepEqual(told.sort(), ofOthers)
    assert.equal(drift.entryCount, ofOthers.length)
    assert.deepEqual(new Set(drift.subjectIds), subjectIds)
    assert.equal(drift.subjects, subjectIds.size)
    assert.equal(drift.subjectIds.length, subjectIds.size)
    for (const kind of DRIFT_KINDS) {
      const count = expected.filter((entry) => entry.startsWith(`${kind}|`)).length
      assert.equal(drift.counts[kind], count, kind)
      if (count > 0) seen.add(kind)
    }
    assert.equal(isEmptyDrift(drift), expected.length === 0)
  })
  fc.assert(property, { numRuns: 500 })
  t.same([...seen].sort(), [...DRIFT_KINDS].sort(), 'every kind was met')
})
