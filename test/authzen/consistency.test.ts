import { findRecord } from '../../src/domain/find-records.ts'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import tap, { test } from 'tap'
import { buildMatrix } from '../../src/domain/build-matrix.ts'
import { stampRevision, Matrix } from '../../src/domain/matrix.ts'
import type { Facts } from '../../src/domain/facts.ts'
import { parseResourceTypes } from '../../src/domain/resource-types.ts'
import type { FakeServed } from '../http/support/organization.ts'
import { startCheckPlane } from '../http/support/planes.ts'
import { explain } from '../../src/domain/explain.ts'
import { createDecisionWriter, MAX_DECISION_PATHS } from '../../src/http/authzen/decision-text.ts'
import { AGENT, ANNA, smallFacts, user } from '../support/small-facts.ts'
import { arbitraryFacts, arbitraryScopes } from '../domain/support/arbitrary-facts.ts'
import { checkUntilMet } from '../domain/support/check-until-met.ts'
import { naiveOutcome, naivePermissions } from '../domain/support/naive-evaluator.ts'
import { startTlsPlane } from './support/tls-plane.ts'

/** Authorization API 1.0, over generated worlds: every hit of a search evaluates to yes, every yes is a hit. */

tap.setTimeout(580_000)

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
  /** Which division `resource.properties.divisionId` names, where it does. */
  named: fc.option(fc.nat(), { nil: undefined, freq: 3 }),
})
type Attributes = typeof attributes extends fc.Arbitrary<infer Value> ? Value : never

type Asked = {
  readonly type: string
  readonly id: string
  /** Undefined where the question asks for no permission that could be. */
  readonly code: string | undefined
  readonly division: string
  readonly resourceType: string
  readonly action: string
}

type Words = Pick<Asked, 'code' | 'resourceType' | 'action'>

/**
 * Types and actions of a caller's own: another name of a type, of the flat ones, and of single
 * actions, one permission by two names and one that the type itself has by another.
 */
const OWN_TYPES = parseResourceTypes(
  [
    ...['queue=routing:queue', 'feature=permission', 'queue/edit=routing:queue:view'],
    ...['route/GET=routing:queue:view', 'route/HEAD=routing:queue:view'],
    ...['route/PUT=routing:queue:edit', 'route/none=routing:queue:none'],
    'analytics:user/see=analytics:user:view',
  ].join(),
)

/** By hand, what is written above. */
const OWN_ACTIONS: readonly Words[] = [
  { resourceType: 'queue', action: 'edit', code: 'routing:queue:view' },
  { resourceType: 'route', action: 'GET', code: 'routing:queue:view' },
  { resourceType: 'route', action: 'HEAD', code: 'routing:queue:view' },
  { resourceType: 'route', action: 'PUT', code: 'routing:queue:edit' },
  { resourceType: 'route', action: 'none', code: 'routing:queue:none' },
  { resourceType: 'analytics:user', action: 'see', code: 'analytics:user:view' },
]

/** Types and actions under which permissions of a world can be asked for, their names and others. */
function questionsOf(facts: Facts): Words[] {
  const known = naivePermissions(facts).filter((code) => !code.startsWith('filler'))
  const split = [...known, 'routing:queue:none'].flatMap((code) => {
    return [...code.matchAll(/:/g)].map(({ index }): Words => {
      const resourceType = code.slice(0, index)
      // A type is `domain:entity`: cut elsewhere, a code asks for nothing.
      const whole = resourceType.split(':').length === 2
      return { resourceType, action: code.slice(index + 1), code: whole ? code : undefined }
    })
  })
  const catalogued = new Set(
    facts.permissions.map((each) => `${each.domain}:${each.entity}:${each.action}`),
  )
  const flat = known.flatMap((code): Words[] => {
    const isFlat = facts.roles.some((role) => role.permissions.includes(code))
    const isMeant = isFlat && !catalogued.has(code)
    return ['permission', 'feature'].map((resourceType) => {
      return { resourceType, action: code, code: isMeant ? code : undefined }
    })
  })
  const renamed = split
    .filter(({ resourceType, action }) => resourceType === 'routing:queue' && action !== 'edit')
    .map((words) => ({ ...words, resourceType: 'queue' }))
  return [...split, ...flat, ...renamed, ...OWN_ACTIONS].filter(
    ({ resourceType, action }) => resourceType !== '' && action !== '',
  )
}

const withProperties = (properties: unknown): object =>
  properties === undefined ? {} : { properties }

function bodyOf(asked: Asked, { subject, action, resource, context }: Given) {
  return {
    subject: { type: asked.type, id: asked.id, ...withProperties(subject) },
    action: { name: asked.action, ...withProperties(action) },
    resource: { type: asked.resourceType, id: asked.division, ...withProperties(resource) },
    ...(context === undefined ? {} : { context }),
  }
}

/** Attributes as they are sent: `divisionId` is one of the resource's properties. */
type Given = Omit<Attributes, 'named'> & { readonly divisionId: string | undefined }

function givenIn(facts: Facts, { named, ...given }: Attributes): Given {
  if (named === undefined) return { ...given, divisionId: undefined }
  const ids = [...facts.divisions.map(({ id }) => id), 'no such division']
  const divisionId = ids[named % ids.length] as string
  return { ...given, divisionId, resource: { ...given.resource, divisionId } }
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

/** A hit that a search may have, and the question that it answers. */
type Candidate = { readonly hit: string; readonly asked: Asked }

/** Asks a path under `/access/v1/` and gives the answer's body. */
type Ask = <Answer>(path: string, body: object) => Promise<Answer>

type Page = {
  readonly page: { readonly next_token: string }
  readonly results: readonly { readonly id?: string; readonly name?: string }[]
}

/** Hits of one search that are evaluated one by one; all are in a batch. */
const SINGLE_EVALUATIONS = 3

/** How often each kind of answer came. */
type Seen = Record<'yes' | 'no' | 'turned' | 'flat' | 'own' | 'named', number>

/** What one world's answers have to be. */
class Agreement {
  readonly #seen: Seen
  readonly #ask: Ask
  readonly #facts: Facts

  constructor(ask: Ask, facts: Facts, seen: Seen) {
    this.#ask = ask
    this.#facts = facts
    this.#seen = seen
  }

  /** A search finds exactly the candidates that evaluations allow, each once. */
  async holds(kind: string, asked: Asked, given: Given, candidates: readonly Candidate[]) {
    const allowed = candidates.map((candidate) => this.#expected(candidate.asked, given))
    const hits = candidates.filter((_, i) => allowed[i])
    const body = { ...bodyOf(asked, given), ...(kind === 'action' ? { action: undefined } : {}) }
    const expected = hits.map(({ hit }) => hit).sort()
    assert.deepEqual((await this.#search(kind, body)).sort(), expected)
    if (candidates.length === 0) return
    const evaluations = candidates.map((candidate) => bodyOf(candidate.asked, given))
    const decided = await this.#ask<{ evaluations: { decision: boolean }[] }>('evaluations', {
      evaluations,
    })
    assert.deepEqual(
      decided.evaluations.map(({ decision }) => decision),
      allowed,
    )
    for (const { asked: each } of hits.slice(0, SINGLE_EVALUATIONS)) {
      const { decision } = await this.#ask<{ decision: boolean }>('evaluation', bodyOf(each, given))
      assert.equal(decision, true)
    }
  }

  async #search(kind: string, body: object): Promise<string[]> {
    const found: string[] = []
    let page: object = { limit: 2 }
    for (;;) {
      const answer = await this.#ask<Page>(`search/${kind}`, { ...body, page })
      found.push(...answer.results.map(({ id, name }) => id ?? name ?? ''))
      if (answer.page.next_token === '') return found
      page = { token: answer.page.next_token }
    }
  }

  #expected({ type, id, code, division, resourceType }: Asked, given: Given): boolean {
    const subject = this.#facts.subjects.find((candidate) => candidate.id === id)
    if (subject?.kind !== type || code === undefined) return false
    const scopes = [given.resource, given.action, given.subject, given.context].filter(
      (scope) => scope !== undefined,
    )
    const naive = { subjectId: id, permission: code, divisionId: given.divisionId ?? division }
    const allowed = naiveOutcome(this.#facts, naive, scopes) === 'allowed'
    this.#seen[allowed ? 'yes' : 'no'] += 1
    if (!allowed) return false
    if (naiveOutcome(this.#facts, naive) !== 'allowed') this.#seen.turned += 1
    if (resourceType === 'permission' || resourceType === 'feature') this.#seen.flat += 1
    if (['queue', 'route'].includes(resourceType)) this.#seen.own += 1
    if (given.divisionId !== undefined) this.#seen.named += 1
    return true
  }
}

/** Mostly what conditions may speak of: permissions that the platform names. */
function pickOne(questions: readonly Words[], pick: number): Words | undefined {
  const named = questions.filter(({ code, resourceType }) => {
    return code !== undefined && !['permission', 'feature'].includes(resourceType)
  })
  const from = pick % 4 === 0 ? questions : named
  return from[Math.floor(pick / 4) % from.length]
}

async function agreeInAllDirections(
  agreement: Agreement,
  facts: Facts,
  attributesGiven: Attributes,
  pick: number,
): Promise<void> {
  const given = givenIn(facts, attributesGiven)
  const questions = questionsOf(facts)
  const question = pickOne(questions, pick)
  const subjects = facts.subjects.filter(({ id }) => id !== '')
  const divisions = facts.divisions.map(({ id }) => id).filter((id) => id !== '')
  if (!question) return
  for (const division of [divisions[pick % divisions.length] ?? '*', 'no such division']) {
    for (const type of ['user', 'client']) {
      const asked = { ...question, type, division }
      const candidates = subjects.map(({ id }) => ({ hit: id, asked: { ...asked, id } }))
      await agreement.holds('subject', { ...asked, id: 'ignored' }, given, candidates)
    }
  }
  const subject = subjects[pick % subjects.length]
  if (!subject) return
  const own = { ...question, type: subject.kind, id: subject.id }
  const places = divisions.map((division) => ({ hit: division, asked: { ...own, division } }))
  await agreement.holds('resource', { ...own, division: 'ignored' }, given, places)
  const [division = 'none'] = divisions
  const actions = questions
    .filter(({ resourceType }) => resourceType === question.resourceType)
    .map((words) => ({ hit: words.action, asked: { ...own, ...words, division } }))
  // An action search knows no action, so none of its properties either.
  await agreement.holds('action', { ...own, division }, { ...given, action: undefined }, actions)
}

/** Worlds that a check plane is asked about, one after the other. */
async function agreeOn(
  runs: number,
  served: FakeServed,
  ask: Ask,
  isEnough: (seen: Seen) => boolean,
): Promise<Seen> {
  const seen: Seen = { yes: 0, no: 0, turned: 0, flat: 0, own: 0, named: 0 }
  const check = async (facts: Facts, given: Attributes, pick: number): Promise<void> => {
    const buffer = buildMatrix(facts)
    stampRevision(buffer, 1)
    served.held = [new Matrix(buffer)]
    await agreeInAllDirections(new Agreement(ask, facts, seen), facts, given, pick)
  }
  const property = fc.asyncProperty(arbitraryFacts, attributes, fc.nat(), check)
  await checkUntilMet(property, runs, () => isEnough(seen))
  return seen
}

test('8.1 Semantics: searches and evaluations agree on generated worlds', async (t) => {
  const { post, served } = startCheckPlane(t, { resourceTypes: OWN_TYPES })
  const ask: Ask = async (path, body) => {
    const answer = await post(`/access/v1/${path}`, body)
    assert.equal(answer.statusCode, 200, answer.body)
    return answer.json()
  }
  const seen = await agreeOn(900, served, ask, ({ turned }) => turned > 0)
  t.ok(seen.yes > 200, `${seen.yes} times yes`)
  t.ok(seen.no > 500, `${seen.no} times no`)
  t.ok(seen.turned > 0, `${seen.turned} times because of attributes`)
  for (const kind of ['flat', 'own', 'named'] as const) {
    t.ok(seen[kind] > 20, `${seen[kind]} times yes, ${kind}`)
  }
})

test('8.1 Semantics: so they do on the real listener, over TLS', async (t) => {
  const { post, served } = await startTlsPlane(t, { resourceTypes: OWN_TYPES })
  const ask: Ask = async (path, body) => {
    const answer = await post(`/access/v1/${path}`, body)
    assert.equal(answer.statusCode, 200, answer.body)
    return answer.json()
  }
  const seen = await agreeOn(80, served, ask, ({ yes, no }) => yes > 0 && no > 0)
  t.ok(seen.yes > 0 && seen.no > 0, JSON.stringify(seen))
})
