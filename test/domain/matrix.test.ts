import { test } from 'tap'
import { buildMatrix } from '../../src/domain/build-matrix.ts'
import {
  compareMatrices,
  isEmptyDrift,
  MAX_DRIFT_ENTRIES,
  MAX_DRIFTED_SUBJECTS,
} from '../../src/domain/compare-matrices.ts'
import type { Facts } from '../../src/domain/facts.ts'
import { findRecord, findRecords } from '../../src/domain/find-records.ts'
import { listHolders, listPermissions } from '../../src/domain/listing.ts'
import { matrixFacts } from '../../src/domain/matrix-facts.ts'
import {
  HEADER,
  HEADER_BYTES,
  LAYOUT_VERSION,
  SECTION_TABLE,
  SECTIONS,
} from '../../src/domain/matrix-layout.ts'
import { Matrix, stampRevision } from '../../src/domain/matrix.ts'
import { mergeSubjects } from '../../src/domain/merge-subjects.ts'
import { hashPacked, hashText, packUuid } from '../../src/domain/subject-id.ts'
import {
  divisionOf,
  groupOf,
  matrixOf,
  permissionOf,
  policyOf,
  roleOf,
  userOf,
  whereEqual,
  worldOf,
} from './support/small-world.ts'

/*
 * anna   viewer in north, member of team; bert (client)   nothing
 * team   roles on, viewer in *
 */
const WORLD: Facts = worldOf({
  permissions: [permissionOf('routing:queue:view')],
  divisions: [divisionOf('north', true)],
  roles: [roleOf('viewer', 'routing:queue:view', 'group_creation')],
  groups: [groupOf('team', ['viewer in *'])],
  subjects: [
    userOf('anna', ['viewer in north'], { groupIds: ['team'], email: 'anna@example.org' }),
    userOf('bert', [], { kind: 'client' }),
  ],
})

/** A matrix of the world above with some header words as given. */
function tampered(words: Readonly<Record<number, number>>): SharedArrayBuffer {
  const buffer = buildMatrix(WORLD)
  const header = new Uint32Array(buffer, 0, HEADER_BYTES / 4)
  for (const [at, word] of Object.entries(words)) header[Number(at)] = word
  return buffer
}

function shared(bytes: ArrayLike<number>): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(bytes.length)
  new Uint8Array(buffer).set(bytes)
  return buffer
}

test('refuses what is no matrix of this version', async (t) => {
  const whole = new Uint8Array(buildMatrix(WORLD))
  const length = whole.length
  const foreign: Readonly<Record<string, SharedArrayBuffer>> = {
    'nothing at all': shared([]),
    'too short for a header': shared(whole.subarray(0, HEADER_BYTES - 1)),
    'a header alone': shared(whole.subarray(0, HEADER_BYTES)),
    'cut short by a word': shared(whole.subarray(0, length - 4)),
    'a word too long': shared([...whole, 0, 0, 0, 0]),
    zeros: new SharedArrayBuffer(4096),
    'other text': shared(new TextEncoder().encode('{"matrix": true}'.repeat(100))),
    'another version': tampered({ [HEADER.version]: LAYOUT_VERSION + 1 }),
    'version nought': tampered({ [HEADER.version]: 0 }),
    'another magic': tampered({ [HEADER.magic]: 0x4d435047 }),
    'another length': tampered({ [HEADER.byteLength]: length + 8 }),
  }
  for (const [what, buffer] of Object.entries(foreign)) {
    t.throws(() => new Matrix(buffer), { name: 'Failure', code: 'invalid' }, what)
  }
})

test('refuses a matrix whose sections lie outside it', async (t) => {
  const { byteLength } = buildMatrix(WORLD)
  for (const [index, section] of SECTIONS.entries()) {
    const at = SECTION_TABLE + index * 2
    const damages = [
      { [at]: byteLength + 8 },
      { [at]: 0xffff_fff8 },
      { [at]: 0 },
      { [at + 1]: byteLength },
      { [at + 1]: 0xffff_fffc },
    ]
    for (const words of damages) {
      const refused = { name: 'Failure', code: 'invalid' }
      t.throws(() => new Matrix(tampered(words)), refused, `${section} ${JSON.stringify(words)}`)
    }
  }
})

test('refuses subjects whose tables lead a search astray', async (t) => {
  for (const section of ['buckets', 'subjects', 'subjectStarts'] as const) {
    const at = SECTION_TABLE + SECTIONS.indexOf(section) * 2
    t.throws(() => new Matrix(tampered({ [at + 1]: 0 })), { code: 'invalid' }, `${section} cut off`)
    const buffer = buildMatrix(WORLD)
    const [start = 0, bytes = 0] = new Uint32Array(buffer, at * 4, 2)
    new Uint32Array(buffer, start, bytes / 4).fill(1)
    t.throws(() => new Matrix(buffer), { code: 'invalid' }, `${section} overwritten`)
  }
})

test('a world without anything is a matrix that knows nobody', async (t) => {
  const matrix = matrixOf({})
  t.equal(matrix.subjectCount, 0)
  t.equal(matrix.permissionCount, 0)
  t.equal(matrix.roleCount, 0)
  t.equal(matrix.findPermission(''), -1)
  for (const id of ['', 'anna', '00000000-0000-0000-0000-000000000000']) {
    t.equal(matrix.findSubject(id), -1)
  }
  t.same(matrixFacts(matrix), worldOf({}))
})

test('one user is found by its id alone', async (t) => {
  for (const id of ['anna', '', '0f4b6a52-9d3e-4c1a-8b7f-00c0ffee0a1b', '\uFEFFanna', '👩‍👩‍👧']) {
    const matrix = matrixOf({ subjects: [userOf(id)] })
    t.equal(matrix.findSubject(id), 0)
    t.equal(matrix.subjectId(0), id)
    for (const other of [`${id} `, `${id}\u0000`, `\uFEFF${id}`, `x${id}`]) {
      t.equal(matrix.findSubject(other), -1)
    }
  }
})

test('describes what it was built from', async (t) => {
  const matrix = matrixOf({
    ...WORLD,
    activeAccessPolicies: 3,
    gaps: { ...WORLD.gaps, grantsOfUnlistedUsers: 2, grantsOfUnknownRoleOrDivision: 1 },
    subjects: [...WORLD.subjects, userOf('carl', ['viewer in nowhere', 'nothing in north'])],
  })
  t.same(matrix.description, {
    organizationId: 'organisation',
    organizationName: 'Organisation',
    activeAccessPolicies: 3,
    gaps: { ...WORLD.gaps, grantsOfUnlistedUsers: 2, grantsOfUnknownRoleOrDivision: 3 },
  })
  t.equal(matrix.takenAt, 1_764_000_000_000)
  t.equal(matrix.revision, 0)
  t.equal(matrix.subjectCount, 3)
  t.equal(matrix.userCount, 2)
  t.equal(matrix.directGrantCount, 1)
  t.equal(matrix.groupGrantCount, 1)
  t.equal(matrix.cataloguedCount, 1)
  t.same([...matrix.permissionCodes()], ['group_creation', 'routing:queue:view'])
  t.same(matrix.subject(matrix.findSubject('anna')), {
    id: 'anna',
    kind: 'user',
    name: 'User anna',
    email: 'anna@example.org',
    state: 'active',
  })
})

test('a revision is stamped once and changes nothing else', async (t) => {
  const buffer = buildMatrix(WORLD)
  stampRevision(buffer, 2 ** 40)
  const matrix = new Matrix(buffer)
  t.equal(matrix.revision, 2 ** 40)
  t.same(matrixFacts(matrix), matrixFacts(new Matrix(buildMatrix(WORLD))))
  t.equal(new Matrix(mergeSubjects(buffer, [])).revision, 0, 'a merged matrix is not published')
})

test('refuses two of a kind with one id', async (t) => {
  const [subject] = WORLD.subjects
  const [group] = WORLD.groups
  const [role] = WORLD.roles
  const [division] = WORLD.divisions
  const twice: Readonly<Record<string, Partial<Facts>>> = {
    subjects: { subjects: [...WORLD.subjects, subject!] },
    groups: { groups: [group!, group!] },
    roles: { roles: [role!, role!] },
    divisions: { divisions: [division!, division!] },
  }
  for (const [what, part] of Object.entries(twice)) {
    const refused = { code: 'upstream-broken', message: new RegExp(`^two ${what} have the id`) }
    t.throws(() => buildMatrix({ ...WORLD, ...part }), refused, what)
  }
  t.throws(() => mergeSubjects(buildMatrix(WORLD), [subject!, subject!]), {
    code: 'upstream-broken',
  })
})

test('text ids of one hash are told apart', async (t) => {
  // Known collisions of 32-bit FNV-1a; what follows it here keeps equal what is equal.
  const twins = ['costarring', 'liquid', 'declinate', 'macallums', 'altarage', 'zinke']
  t.equal(hashText('costarring'), hashText('liquid'))
  t.equal(hashText('declinate'), hashText('macallums'))
  t.equal(hashText('altarage'), hashText('zinke'))
  const all = matrixOf({ subjects: twins.map((id) => userOf(id)) })
  for (const id of twins) t.equal(all.subjectId(all.findSubject(id)), id)
  const one = matrixOf({ subjects: [userOf('liquid')] })
  t.equal(one.findSubject('costarring'), -1)
})

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0')
}

test('20,000 users are all found and none is invented, however many share a bucket', async (t) => {
  const ids = Array.from({ length: 20_000 }, (_, index) =>
    index % 2 === 0
      ? `${hex(index, 8)}-0000-4000-8000-${hex(index, 12)}`
      : `client-${hex(index % 7 === 0 ? index : index * 65_536, 8)}`,
  )
  const matrix = matrixOf({ subjects: ids.map((id) => userOf(id)) })
  const lost = ids.filter((id) => matrix.subjectId(matrix.findSubject(id)) !== id)
  t.same(lost, [])
  t.same(
    [...findRecords(matrix, ids)],
    ids.map((id) => findRecord(matrix, id)),
    'together too',
  )
  const known = new Set(ids)
  const others = ids.flatMap((id) => [
    id.replace(/.$/, 'e'),
    id.replace('0', '1'),
    id.toUpperCase(),
    `${id}0`,
    id.slice(1),
  ])
  const invented = others.filter((id) => !known.has(id) && matrix.findSubject(id) >= 0)
  t.same(invented, [])
  const together = findRecords(matrix, others)
  t.same(
    others.filter((id, i) => !known.has(id) && (together[i] ?? 0) >= 0),
    [],
  )
  const held = Array.from({ length: matrix.subjectCount }, (_, index) => matrix.subjectId(index))
  t.same(held.sort(), [...ids].sort(), 'each once')
})

function uuidOf(words: readonly number[]): string {
  const digits = words.map((word) => hex(word >>> 0, 8)).join('')
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

function bucketOf(uuid: string, shift: number): number {
  return packUuid(uuid) ? hashPacked() >>> shift : -1
}

test('a UUID that reads like the record of a text id is another id', async (t) => {
  let forged = 0
  for (let index = 0; index < 400; index++) {
    const id = `text-${index}`
    const matrix = matrixOf({ subjects: [userOf(id)] })
    const uuid = uuidOf([...matrix.subjects.subarray(0, 4)])
    // Only where both are of one bucket does the search come upon the record at all.
    const { bucketShift } = matrix
    if (bucketOf(uuid, bucketShift) !== hashText(id) >>> bucketShift) continue
    forged += 1
    t.equal(matrix.findSubject(uuid), -1, uuid)
  }
  t.ok(forged > 0)
})

/*
 * A division has the id that is asked for, so that its text is in the matrix; the UUID of the only
 * user says in its words what a text id's record would: that text's hash, that text's number.
 */
test('a UUID forged after a text id is not found by that id', async (t) => {
  const id = 'forged'
  const divisions = [divisionOf(id)]
  const textNumber = matrixOf({ divisions }).divisions[0] ?? 0
  let met = 0
  for (let index = 0; index < 400; index++) {
    const uuid = uuidOf([hashText(id), textNumber, index, 0])
    const matrix = matrixOf({ divisions, subjects: [userOf(uuid)] })
    const { bucketShift } = matrix
    if (bucketOf(uuid, bucketShift) !== hashText(id) >>> bucketShift) continue
    met += 1
    t.equal(matrix.text(textNumber), id)
    t.equal(matrix.findSubject(id), -1, uuid)
  }
  t.ok(met > 0)
})

test('permissions and divisions are found by their own names alone', async (t) => {
  const alike = [
    '',
    'a',
    'ab',
    'abc',
    'abcd',
    'abcde',
    'a\u0000',
    'abcd\u0000',
    '\u0000',
    'é',
    'e\u0301',
  ]
  const long = [252, 253, 254, 255, 256, 257, 300].flatMap((length) => [
    'x'.repeat(length),
    `${'x'.repeat(length - 1)}y`,
    'é'.repeat(length),
    `${'é'.repeat(length - 1)}x`,
    `a${'é'.repeat(length - 1)}`,
    `a${'é'.repeat(length - 2)}x`,
    '漢'.repeat(length),
    `${'漢'.repeat(length - 1)}x`,
    `a${'漢'.repeat(length - 1)}`,
    `a${'漢'.repeat(length - 2)}x`,
    '👩'.repeat(length / 2),
    `a${'👩'.repeat(length / 2)}`,
    `${'👩'.repeat(length / 2)}x`,
  ])
  const names = [...new Set([...alike, ...long])]
  const known = names.filter((_, index) => index % 2 === 0)
  for (const present of [known, names]) {
    const wrong: string[] = []
    const matrix = matrixOf({
      divisions: present.map((id) => divisionOf(id)),
      roles: [{ ...roleOf('all'), permissions: present }],
    })
    for (const name of names) {
      const expected = present.includes(name) ? name : undefined
      const permission = matrix.findPermission(name)
      const code = permission < 0 ? undefined : matrix.permissionCode(permission)
      const division = matrix.findDivision(name)
      const id = division < 0 ? undefined : matrix.division(division).id
      if (code !== expected || id !== expected) wrong.push(`${name.length} units of ${name}`)
    }
    t.same(wrong, [])
  }
})

test('policies that differ only in where their parts end come in one order', async (t) => {
  const policies = [
    { domain: 'a:b', entity: 'c', actions: ['d'], condition: null },
    { domain: 'a', entity: 'b:c', actions: ['d'], condition: null },
    { domain: 'a', entity: 'b', actions: ['c+d'], condition: null },
    { domain: 'a', entity: 'b', actions: ['d', 'c'], condition: null },
  ]
  const bytesOf = (order: typeof policies): Buffer =>
    Buffer.from(buildMatrix(worldOf({ roles: [{ ...roleOf('odd'), policies: order }] })))
  t.ok(bytesOf(policies).equals(bytesOf(policies.toReversed())))
})

test('texts of any length and alphabet come back as they were', async (t) => {
  const names = ['', '\uFEFF', '\uFEFFname', 'é', 'e\u0301', '👩‍👩‍👧', '\u0000', 'x'.repeat(200_000)]
  const matrix = matrixOf({
    subjects: names.map((name, index) => userOf(`user-${index}`, [], { name, email: name })),
    divisions: names.map((name, index) => ({ ...divisionOf(`d${index}`), name })),
  })
  for (const [index, name] of names.entries()) {
    const { name: read, email } = matrix.subject(matrix.findSubject(`user-${index}`))
    t.ok(read === name && email === name)
    t.ok(matrix.division(matrix.findDivision(`d${index}`)).name === name)
  }
})

/*
 * anna   viewer in north        the team: viewer in * (roles on)
 */
test('each kind of difference is found where it was planted', async (t) => {
  const before = buildMatrix(WORLD)
  const [anna, bert] = WORLD.subjects
  const [team] = WORLD.groups
  const [viewer] = WORLD.roles
  const withAnna = (part: object): Partial<Facts> => ({ subjects: [{ ...anna!, ...part }, bert!] })
  const users: readonly (readonly [string, string, Partial<Facts>])[] = [
    ['subject_added', 'carl', { subjects: [...WORLD.subjects, userOf('carl')] }],
    ['subject_removed', 'bert', { subjects: [anna!] }],
    ['subject_state_changed', 'anna', withAnna({ state: 'inactive' })],
    ['membership_removed', 'anna', withAnna({ groupIds: [] })],
    ['grant_removed', 'anna', withAnna({ grants: [] })],
    [
      'grant_added',
      'anna',
      withAnna({ grants: [...anna!.grants, { roleId: 'viewer', divisionId: '*' }] }),
    ],
  ]
  for (const [kind, id, part] of users) {
    const drift = compareMatrices(before, buildMatrix({ ...WORLD, ...part }))
    t.match(drift, { entries: [], entryCount: 0, subjects: 1, subjectIds: [id] }, `${kind} ${id}`)
    t.match(drift.counts, { [kind]: 1 })
  }
  const group = { what: 'group', id: 'team', name: team!.name }
  const role = { what: 'role', id: 'viewer', name: viewer!.name }
  const others: readonly (readonly [object, Partial<Facts>])[] = [
    [
      { kind: 'grant_removed', ...group, roleId: 'viewer', divisionId: '*' },
      { groups: [{ ...team!, grants: [] }] },
    ],
    [
      { kind: 'group_changed', ...group, detail: 'rolesEnabled: false' },
      { groups: [{ ...team!, rolesEnabled: false }] },
    ],
    [
      { kind: 'group_changed', what: 'group', id: 'crew', name: 'Group crew', detail: 'added' },
      { groups: [team!, groupOf('crew', [])] },
    ],
    [
      { kind: 'role_added', what: 'role', id: 'admin', name: 'Role admin' },
      { roles: [viewer!, roleOf('admin')] },
    ],
    [{ kind: 'role_changed', ...role }, { roles: [roleOf('viewer', 'routing:queue:view')] }],
    [
      { kind: 'role_changed', ...role },
      {
        roles: [
          roleOf('viewer', policyOf('routing:queue:view', whereEqual('a', 'b')), 'group_creation'),
        ],
      },
    ],
  ]
  for (const [entry, part] of others) {
    const drift = compareMatrices(before, buildMatrix({ ...WORLD, ...part }))
    t.match(drift, { entryCount: 1, subjects: 0, subjectIds: [] })
    t.same(drift.entries, [entry])
    t.equal(
      Object.values(drift.counts).reduce((a, b) => a + b),
      1,
    )
  }
  const renamed = { ...anna!, name: 'Anne', email: 'anne@example.org' }
  t.ok(
    isEmptyDrift(compareMatrices(before, buildMatrix({ ...WORLD, subjects: [renamed, bert!] }))),
    'names are not compared',
  )
})

test('counts all differences and lists a bounded number of them', async (t) => {
  const many = Array.from({ length: MAX_DRIFTED_SUBJECTS + 5 }, (_, i) => userOf(`user-${i}`))
  const roles = Array.from({ length: MAX_DRIFT_ENTRIES + 5 }, (_, i) => roleOf(`role-${i}`))
  const after = buildMatrix(worldOf({ subjects: many, roles }))
  const drift = compareMatrices(buildMatrix(worldOf({})), after)
  t.equal(drift.counts.subject_added, MAX_DRIFTED_SUBJECTS + 5)
  t.equal(drift.subjects, MAX_DRIFTED_SUBJECTS + 5)
  t.equal(drift.subjectIds.length, MAX_DRIFTED_SUBJECTS)
  t.equal(drift.entryCount, drift.counts.role_added)
  t.equal(drift.entries.length, MAX_DRIFT_ENTRIES)
})

/*
 * Every one of 45 users holds the permission; anna holds it in 30 ways.
 */
test('a listing goes on from where its page ended, and lists a bounded number of sources', async (t) => {
  const roleIds = Array.from({ length: 30 }, (_, index) => `role-${index}`)
  const matrix = matrixOf({
    permissions: [permissionOf('routing:queue:view'), permissionOf('routing:queue:edit')],
    roles: roleIds.map((id) => roleOf(id, 'routing:queue:view')),
    subjects: [
      userOf(
        'anna',
        roleIds.map((id) => `${id} in *`),
      ),
      ...Array.from({ length: 44 }, (_, index) => userOf(`user-${index}`, ['role-0 in *'])),
    ],
  })
  const permission = matrix.findPermission('routing:queue:view')
  const first = listHolders(matrix, permission, { from: 0, limit: 44 })
  t.equal(first.items.length, 44)
  const second = listHolders(matrix, permission, { from: first.next ?? -1, limit: 44 })
  t.equal(second.items.length, 1)
  t.equal(second.next, undefined)
  const all = [...first.items, ...second.items]
  t.equal(new Set(all.map(({ id }) => id)).size, 45)
  t.equal(all.find(({ id }) => id === 'anna')?.sources.length, 20)
  const exact = listHolders(matrix, permission, { from: 0, limit: 45 })
  t.equal(exact.items.length, 45)
  t.equal(exact.next, undefined, 'a page that is just full is the last')
  t.same(
    listPermissions(matrix, matrix.findSubject('anna'), { from: 0, limit: 10 }).items.map(
      ({ permission: name, label, divisionAware, conditional }) => [
        name,
        label,
        divisionAware,
        conditional,
      ],
    ),
    [['routing:queue:view', 'may routing:queue:view', true, false]],
  )
})
