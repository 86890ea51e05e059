import { findRecord } from '../../src/domain/find-records.ts'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import tap, { test } from 'tap'
import { buildMatrix } from '../../src/domain/build-matrix.ts'
import { stampRevision, Matrix } from '../../src/domain/matrix.ts'
import type { Facts } from '../../src/domain/facts.ts'
import { startCheckPlane } from '../http/support/planes.ts'
import { explain } from '../../src/domain/explain.ts'
import { createDecisionWriter, MAX_DECISION_PATHS } from '../../src/http/authzen/decision-text.ts'
import { AGENT, ANNA, smallFacts, user } from '../support/small-facts.ts'
import { arbitraryFacts, arbitraryScopes } from '../domain/support/arbitrary-facts.ts'
import { naiveOutcome, naivePermissions } from '../domain/support/naive-evaluator.ts'

/** Authorization API 1.0, over generated worlds: every hit of a search evaluates to yes, every yes is a hit. */

tap.setTimeout(180_000)

const value = fc.constantFrom('a', 'b', '5', 5, 6, true, false)
const properties = fc.option(
  fc
    .uniqueArray(fc.tuple(fc.constantFrom('queueId', 'level', 'own', '__proto__'), value), {
      selector: ([name]) => name,
    })
    .map((entries): Record<string, unknown> => Object.fromEntries(entries)),
  { nil: undefined, freq: 2 },
)
const attributes = fc.record({
  subject: properties,
  action: properties,
  resource: properties,
  context: properties,
})
type Attributes = typeof attributes extends fc.Arbitrary<infer Value> ? Value : never

type Asked = {
  type: string
  id: string
  code: string
  division: string
  resourceType: string
  action: string
}

/** Types and actions under which permissions of a world can be asked for, their names and others. */
function questionsOf(facts: Facts): Pick<Asked, 'code' | 'resourceType' | 'action'>[] {
  const known = naivePermissions(facts).filter((code) => !code.startsWith('filler'))
  return [...known, 'routing:queue:none'].flatMap((code) => {
    const parts = [...code.matchAll(/:/g)].map(({ index }) => index)
    const split = parts.map((at) => ({
      code,
      resourceType: code.slice(0, at),
      action: code.slice(at + 1),
    }))
    return split.filter(({ resourceType, action }) => resourceType !== '' && action !== '')
  })
}

const withProperties = (properties: unknown): object =>
  properties === undefined ? {} : { properties }

function bodyOf(asked: Asked, { subject, action, resource, context }: Attributes) {
  return {
    subject: { type: asked.type, id: asked.id, ...withProperties(subject) },
    action: { name: asked.action, ...withProperties(action) },
    resource: { type: asked.resourceType, id: asked.division, ...withProperties(resource) },
    ...(context === undefined ? {} : { context }),
  }
}

test('5.5.1 Decision Context: what is written is what an explanation says', async (t) => {
  const write = createDecisionWriter()
  let paths = 0
  const property = fc.property(arbitraryFacts, arbitraryScopes, (facts, scopes) => {
    const matrix = new Matrix(buildMatrix(facts))
    for (const { id: subjectId } of facts.subjects) {
      for (const permission of naivePermissions(facts).slice(0, 12)) {
        for (const divisionId of [undefined, facts.divisions[0]?.id]) {
          const resolved = {
            record: findRecord(matrix, subjectId),
            permission: matrix.findPermission(permission),
            division: matrix.findDivision(divisionId),
          }
          const { text } = write(matrix, resolved, { scopes, explain: true }, 5)
          const { decision, context } = JSON.parse(text) as {
            decision: boolean
            context: { reason?: string; paths: unknown[]; truncated?: true }
          }
          const told = explain(matrix, { subjectId, permission, divisionId }, scopes)
          assert.equal(decision, told.allowed)
          assert.equal(context.reason, told.reason)
          const listed = told.explanation.paths.slice(0, MAX_DECISION_PATHS)
          assert.deepEqual(context.paths, JSON.parse(JSON.stringify(listed)))
          const more = told.explanation.paths.length > MAX_DECISION_PATHS
          assert.equal(context.truncated, more ? true : undefined)
          paths += listed.length
        }
      }
    }
  })
  fc.assert(property, { numRuns: 150 })
  t.ok(paths > 500, `${paths} paths`)
})

test('5.5.1 Decision Context: of many paths the best are listed', (t) => {
  const divisions = Array.from({ length: 30 }, (_, i) => ({ id: `d${i}`, name: '', home: false }))
  const grants = divisions.map(({ id }) => ({ roleId: AGENT, divisionId: id }))
  const matrix = new Matrix(
    buildMatrix(smallFacts({ divisions, subjects: [user(ANNA, { grants })] })),
  )
  const resolved = {
    ...{
      record: findRecord(matrix, ANNA),
      permission: matrix.findPermission('routing:queue:view'),
    },
    division: matrix.findDivision('d29'),
  }
  const { text } = createDecisionWriter()(matrix, resolved, { scopes: undefined, explain: true }, 0)
  const { context } = JSON.parse(text) as { context: { paths: { outcome: string }[] } }
  t.match(context, { truncated: true })
  t.equal(context.paths.length, MAX_DECISION_PATHS)
  t.same(
    context.paths.slice(0, 2).map(({ outcome }) => outcome),
    ['allowed', 'other_division'],
  )
  t.end()
})

test('8.1 Semantics: searches and evaluations agree on generated worlds', async (t) => {
  const plane = startCheckPlane(t)
  const seen = { yes: 0, no: 0, turned: 0 }
  const results = async (kind: string, body: object): Promise<string[]> => {
    const found: string[] = []
    let page: object = { limit: 2 }
    for (;;) {
      const answer = (await plane.post(`/access/v1/search/${kind}`, { ...body, page })).json<{
        page: { next_token: string }
        results: { id?: string; name?: string }[]
      }>()
      found.push(...answer.results.map(({ id, name }) => id ?? name ?? ''))
      if (answer.page.next_token === '') return found
      page = { token: answer.page.next_token }
    }
  }
  const check = async (facts: Facts, given: Attributes, pick: number): Promise<void> => {
    const buffer = buildMatrix(facts)
    stampRevision(buffer, 1)
    plane.served.held = [new Matrix(buffer)]
    const questions = questionsOf(facts)
    const question = questions[pick % questions.length]
    if (!question) return
    const subjects = facts.subjects.filter(({ id }) => id !== '')
    const divisions = facts.divisions.map(({ id }) => id).filter((id) => id !== '')
    const actions = questions.filter(({ resourceType }) => resourceType === question.resourceType)
    const scopes = [given.resource, given.action, given.subject, given.context].filter(
      (scope) => scope !== undefined,
    )
    const expected = (asked: Asked): boolean => {
      const subject = facts.subjects.find(({ id }) => id === asked.id)
      if (subject?.kind !== asked.type) return false
      const naive = { subjectId: asked.id, permission: asked.code, divisionId: asked.division }
      const allowed = naiveOutcome(facts, naive, scopes) === 'allowed'
      if (allowed && naiveOutcome(facts, naive) !== 'allowed') seen.turned += 1
      seen[allowed ? 'yes' : 'no'] += 1
      return allowed
    }
    const places = [divisions[pick % divisions.length] ?? '*', 'no such division']
    for (const division of places) {
      for (const type of ['user', 'client']) {
        const asked: Asked[] = subjects.map(({ id }) => ({ ...question, type, id, division }))
        const body = bodyOf({ ...question, type, id: 'ignored', division }, given)
        const yes = asked.filter(expected).map(({ id }) => id)
        assert.deepEqual((await results('subject', body)).sort(), yes.sort())
        const evaluations = asked.map((each) => bodyOf(each, given))
        if (evaluations.length === 0) continue
        const { evaluations: decided } = (
          await plane.post('/access/v1/evaluations', { evaluations })
        ).json<{ evaluations: { decision: boolean }[] }>()
        const allowed = asked.filter((_, i) => decided[i]?.decision === true).map(({ id }) => id)
        assert.deepEqual(allowed.sort(), yes)
      }
    }
    const [subject] = subjects
    if (!subject) return
    const own = { ...question, type: subject.kind, id: subject.id, division: 'ignored' }
    const where = divisions.filter((division) => expected({ ...own, division }))
    assert.deepEqual((await results('resource', bodyOf(own, given))).sort(), where.sort())
    const [division = 'none'] = divisions
    const here = { ...own, division }
    // An action search knows no action, so none of its properties either.
    const withoutAction = { ...given, action: undefined }
    scopes.splice(
      0,
      scopes.length,
      ...[given.resource, given.subject, given.context].filter((scope) => scope !== undefined),
    )
    const what = actions.filter(({ code, action }) => expected({ ...here, code, action }))
    const { action: _, ...body } = bodyOf(here, withoutAction)
    const names = new Set(what.map(({ action }) => action))
    assert.deepEqual(new Set(await results('action', body)), names)
  }
  await fc.assert(fc.asyncProperty(arbitraryFacts, attributes, fc.nat(), check), { numRuns: 900 })
  t.ok(seen.yes > 200, `${seen.yes} times yes`)
  t.ok(seen.no > 500, `${seen.no} times no`)
  t.ok(seen.turned > 0, `${seen.turned} times because of attributes`)
})
