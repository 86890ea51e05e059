import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { test } from 'tap'
import { buildMatrix } from '../../src/domain/build-matrix.ts'
import { ALL_DIVISIONS } from '../../src/domain/facts.ts'
import type { SubjectFact } from '../../src/domain/facts.ts'
import { matrixFacts } from '../../src/domain/matrix-facts.ts'
import { Matrix, stampRevision } from '../../src/domain/matrix.ts'
import { replaceGrants } from '../../src/domain/replace-grants.ts'
import { arbitraryFacts } from './support/arbitrary-facts.ts'

function matrixOf(facts: Parameters<typeof buildMatrix>[0]): Matrix {
  const buffer = buildMatrix(facts)
  stampRevision(buffer, 7)
  return new Matrix(buffer)
}

test('other grants for some subjects give the same bytes as building anew', (t) => {
  const choices = fc.array(fc.record({ subject: fc.nat(), grants: fc.array(fc.nat()) }))
  const property = fc.property(arbitraryFacts, choices, (facts, chosen) => {
    const base = matrixOf(facts)
    const held = matrixFacts(base)
    fc.pre(held.subjects.length > 0 && held.roles.length > 0)
    const divisions = [ALL_DIVISIONS, ...held.divisions.map(({ id }) => id)]
    const changed = new Map<string, SubjectFact>()
    for (const { subject: at, grants: numbers } of chosen) {
      const subject = held.subjects[at % held.subjects.length] as SubjectFact
      const grants = numbers.map((number) => ({
        roleId: held.roles[number % held.roles.length]?.id ?? '',
        divisionId: divisions[number % divisions.length] ?? '',
      }))
      const groupIds = subject.groupIds.toReversed()
      changed.set(subject.id, { ...subject, groupIds, grants: [...grants, ...grants] })
    }
    const replaced = replaceGrants(base, [...changed.values()])
    assert.ok(replaced, 'nothing but grants differs')
    const subjects = held.subjects.map((subject) => changed.get(subject.id) ?? subject)
    const anew = buildMatrix({ ...held, subjects })
    assert.deepEqual(Buffer.from(new Uint8Array(replaced)), Buffer.from(new Uint8Array(anew)))
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500 }))
  t.end()
})

test('whatever else differs has to be built anew', (t) => {
  const subject: SubjectFact = {
    id: 'a7c31f52-0000-4000-8000-000000000001',
    kind: 'user',
    name: 'Anna',
    email: 'anna@example.com',
    state: 'active',
    groupIds: ['staff'],
    grants: [],
  }
  const base = matrixOf({
    organizationId: '',
    organizationName: '',
    takenAt: 1,
    subjects: [subject],
    groups: ['staff', 'others'].map((id) => ({ id, name: id, rolesEnabled: true, grants: [] })),
    divisions: [{ id: 'home', name: 'Home', home: true }],
    roles: [
      {
        id: 'agent',
        name: 'Agent',
        defaultRoleId: '',
        licences: [],
        permissions: [],
        policies: [],
      },
    ],
    permissions: [],
    activeAccessPolicies: null,
    gaps: {
      grantsOfUnlistedUsers: 0,
      grantsOfForeignSubjects: 0,
      grantsOfUnknownRoleOrDivision: 0,
      inactiveUsersBeyondListing: false,
    },
  })
  const known = { roleId: 'agent', divisionId: 'home' }
  t.ok(replaceGrants(base, [{ ...subject, grants: [known] }]))
  t.ok(replaceGrants(base, [{ ...subject, groupIds: ['staff', 'staff', 'unknown'] }]))
  const others: Record<string, SubjectFact[]> = {
    'a new subject': [{ ...subject, id: 'new' }],
    'a subject twice': [subject, subject],
    'another kind': [{ ...subject, kind: 'client' }],
    'another name': [{ ...subject, name: 'Bea' }],
    'another email': [{ ...subject, email: '' }],
    'another state': [{ ...subject, state: 'inactive' }],
    'one group more': [{ ...subject, groupIds: ['staff', 'others'] }],
    'one group less': [{ ...subject, groupIds: [] }],
    'another group': [{ ...subject, groupIds: ['others'] }],
    'an unknown role': [{ ...subject, grants: [known, { ...known, roleId: 'gone' }] }],
    'an unknown division': [{ ...subject, grants: [known, { ...known, divisionId: 'gone' }] }],
  }
  for (const [what, subjects] of Object.entries(others)) {
    t.equal(replaceGrants(base, subjects), undefined, what)
  }
  t.end()
})
