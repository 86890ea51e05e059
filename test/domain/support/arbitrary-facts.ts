import * as fc from 'fast-check'
import type { AttributeScopes, Condition, Operand } from '../../../src/domain/condition.ts'
import type {
  DivisionFact,
  Facts,
  Gaps,
  Grant,
  GroupFact,
  PermissionFact,
  PolicyFact,
  RoleFact,
  SubjectFact,
} from '../../../src/domain/facts.ts'

/**
 * Small organisations in which everything that could be mistaken for something else is. All ids of
 * one kind come from one short list, so that what one world lacks is the near miss of another.
 */

const UUID = '0f4b6a52-9d3e-4c1a-8b7f-00c0ffee0a1b'

/** Ids that look alike, are no UUID by a hair, or mean something to JavaScript or to the matrix. */
export const ODD_IDS: readonly string[] = [
  UUID,
  UUID.toUpperCase(),
  UUID.replace('f', 'F'),
  UUID.replace('a1b', 'a1c'),
  UUID.replaceAll('-', ''),
  UUID.replace('0', '\u0660'),
  UUID.replace('-', '\u2010'),
  `${UUID} `,
  `\uFEFF${UUID}`,
  '00000000-0000-0000-0000-000000000000',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  '',
  ' ',
  '*',
  '0',
  '-1',
  '__proto__',
  'constructor',
  'toString',
  'é',
  'e\u0301',
  '👩‍👩‍👧',
  'a\u0000b',
  'a in b',
  'a:b',
]

const oddId = fc.constantFrom(...ODD_IDS)
/** Roles and divisions from a shorter list: grants should meet them often. */
const roleId = fc.constantFrom(...ODD_IDS.slice(0, 4), '*', '__proto__', '', 'a in b')
const divisionId = fc.constantFrom(...ODD_IDS.slice(0, 3), 'constructor', 'b', '\uFEFFb')
const groupId = fc.constantFrom(...ODD_IDS.slice(0, 3), '__proto__', '👩‍👩‍👧')

/** Names are only shown: they may even be no text that UTF-8 can hold. */
const label = fc.constantFrom('', 'Anna', 'Zoë', '\uFEFFBOM', '\uD800', 'constructor', '*')

const grant: fc.Arbitrary<Grant> = fc.record({
  roleId,
  divisionId: fc.oneof({ weight: 3, arbitrary: divisionId }, fc.constant('*')),
})
const grants = fc.array(grant, { maxLength: 6, size: 'max' })

/** The first word comes up often, so that policies and permissions meet; the others lie in wait. */
function mostly(usual: string, ...others: readonly string[]): fc.Arbitrary<string> {
  return fc.oneof({ weight: 3, arbitrary: fc.constant(usual) }, fc.constantFrom(...others))
}
const domain = mostly('routing', 'Routing', 'analytics', '*', '__proto__', '')
const entity = mostly('queue', 'Queue', 'user', 'constructor', '')
const action = mostly('view', 'edit', 'View', 'add', '')
const wildcard = fc.constant('*')

const catalogued: fc.Arbitrary<PermissionFact> = fc.record({
  domain,
  entity: fc.oneof({ weight: 9, arbitrary: entity }, wildcard),
  action: fc.oneof({ weight: 9, arbitrary: action }, wildcard),
  label,
  divisionAware: fc.boolean(),
  allowsConditions: fc.boolean(),
})

/** Permissions that nobody asks for: they push the others over the ends of bit words. */
const filler: fc.Arbitrary<readonly PermissionFact[]> = fc
  .constantFrom(0, 0, 0, 28, 31, 32, 33, 62)
  .map((count) =>
    Array.from({ length: count }, (_, index) => ({
      domain: 'filler',
      entity: 'queue',
      action: `a${index}`,
      label: '',
      divisionAware: true,
      allowsConditions: false,
    })),
  )

const flatName = fc.constantFrom(
  'group_creation',
  'admin',
  'ADMIN',
  '',
  '*',
  '__proto__',
  'constructor',
  '\uFEFFadmin',
  'routing:queue:view',
  'routing:queue:*',
  'routing:*:*',
  'routing',
)

/** Attribute names that conditions speak of and questions answer. */
const variable = mostly('queueId', 'level', 'own', '__proto__', 'constructor')

const operand: fc.Arbitrary<Operand> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constantFrom('SCALAR', 'SCALAR', 'USER', 'TEAM', 'QUEUE', 'MYSTERY', 'scalar'),
      value: fc.constantFrom('a', 'b', '5', '5.0', '05', '-0', '1e3', '0x5', '', 'true', null),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('VARIABLE'),
      value: fc.oneof({ weight: 9, arbitrary: variable }, fc.constant(null)),
    }),
  },
)

const comparison: fc.Arbitrary<Condition> = fc.record({
  variableName: fc.oneof({ weight: 15, arbitrary: variable }, fc.constant('')),
  operator: fc.constantFrom('EQ', 'EQ', 'IN', 'IN', 'GE', 'GT', 'LE', 'LT', 'NE', 'eq'),
  operands: fc.oneof(
    { weight: 4, arbitrary: fc.tuple(operand) },
    fc.array(operand, { maxLength: 3 }),
  ),
})

/** What no documentation speaks of: halves, both kinds at once, none. */
const oddCondition: fc.Arbitrary<Condition> = fc.oneof(
  fc.constant({}),
  fc.constant({ conjunction: 'AND' }),
  fc.constant({ conjunction: 'OR', terms: [] }),
  comparison.map(({ variableName = '' }) => ({ variableName })),
  comparison.map(({ operator = '' }) => ({ operator })),
  comparison.map((term) => ({ ...term, conjunction: 'OR', terms: [term] })),
)

export const arbitraryCondition: fc.Arbitrary<Condition> = fc.letrec<{ node: Condition }>(
  (tie) => ({
    node: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      { weight: 6, arbitrary: comparison },
      { weight: 1, arbitrary: oddCondition },
      {
        weight: 4,
        arbitrary: fc.record(
          {
            conjunction: fc.constantFrom('AND', 'OR', 'AND', 'OR', 'XOR'),
            terms: fc.array(tie('node'), { minLength: 1, maxLength: 3 }),
          },
          { requiredKeys: ['terms'] },
        ),
      },
    ),
  }),
).node

const attributeValue = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom<unknown>('a', 'b', 5, true) },
  fc.constantFrom<unknown>(
    ...['5', '5.0', '', 'true', 'True', 'NaN'],
    ...[5.5, -0, 0, 1000, Number.NaN, Infinity, 2 ** 53],
    ...[false, null, undefined, { id: 'a' }, ['a']],
  ),
)

const scope = fc
  .uniqueArray(fc.tuple(variable, attributeValue), { selector: ([name]) => name, maxLength: 5 })
  // Defined one by one, so that `__proto__` is an attribute like any other.
  .map((entries): Readonly<Record<string, unknown>> => Object.fromEntries(entries))

/** Attributes of a plain check (one scope) or of an AuthZEN request (four). */
export const arbitraryScopes: fc.Arbitrary<AttributeScopes> = fc.array(scope, { maxLength: 4 })

const policy: fc.Arbitrary<PolicyFact> = fc.record({
  domain,
  entity: fc.oneof({ weight: 3, arbitrary: entity }, wildcard),
  actions: fc.array(fc.oneof({ weight: 3, arbitrary: action }, wildcard), {
    maxLength: 3,
    size: 'max',
  }),
  condition: fc.option(arbitraryCondition, { freq: 2 }),
})

const gaps: fc.Arbitrary<Gaps> = fc.record({
  grantsOfUnlistedUsers: fc.nat(3),
  grantsOfForeignSubjects: fc.nat(3),
  grantsOfUnknownRoleOrDivision: fc.nat(3),
  inactiveUsersBeyondListing: fc.boolean(),
})

const group: fc.Arbitrary<GroupFact> = fc.record({
  id: groupId,
  name: label,
  rolesEnabled: fc.boolean(),
  grants,
})

const division: fc.Arbitrary<DivisionFact> = fc.record({
  // The platform shows `*` where divisions are listed: as a division it must mean nothing.
  id: fc.oneof({ weight: 9, arbitrary: divisionId }, fc.constant('*')),
  name: label,
  home: fc.boolean(),
})

const role: fc.Arbitrary<RoleFact> = fc.record({
  id: roleId,
  name: label,
  defaultRoleId: fc.constantFrom('', 'employee'),
  licences: fc.subarray(['collaborate', 'communicate', 'engage3']),
  permissions: fc.array(flatName, { maxLength: 3 }),
  policies: fc.array(policy, { maxLength: 4, size: 'max' }),
})

const subject: fc.Arbitrary<SubjectFact> = fc.record({
  id: oddId,
  kind: fc.constantFrom('user', 'user', 'client'),
  name: label,
  email: fc.constantFrom('', 'anna@example.org'),
  state: fc.oneof(
    { weight: 9, arbitrary: fc.constant('active' as const) },
    fc.constantFrom('inactive' as const, 'deleted' as const),
  ),
  groupIds: fc.array(groupId, { maxLength: 3, size: 'max' }),
  grants,
})

export const arbitrarySubjects: fc.Arbitrary<SubjectFact[]> = uniqueById(subject, 6)

/** Lists of any length alike: left to itself, fast-check makes most of them short. */
export const arbitraryFacts: fc.Arbitrary<Facts> = fc.noBias(
  fc.record({
    organizationId: fc.constantFrom('', 'organisation'),
    organizationName: label,
    takenAt: fc.constantFrom(0, 1_764_000_000_000),
    subjects: arbitrarySubjects,
    groups: uniqueById(group, 4),
    divisions: uniqueById(division, 5),
    roles: uniqueById(role, 6),
    permissions: fc
      .tuple(fc.array(catalogued, { maxLength: 10 }), filler)
      .map(([asked, others]) => [...asked, ...others]),
    activeAccessPolicies: fc.constantFrom(null, 0, 3),
    gaps,
  }),
)

function uniqueById<Item extends { readonly id: string }>(
  item: fc.Arbitrary<Item>,
  maxLength: number,
): fc.Arbitrary<Item[]> {
  return fc.uniqueArray(item, { selector: ({ id }) => id, maxLength, size: 'max' })
}

/** The same facts with every list whose order means nothing in another order. */
export function shuffleFacts(facts: Facts, seed: number): Facts {
  const shuffled = shufflerOf(seed)
  return {
    ...facts,
    subjects: shuffled(facts.subjects).map((one) => ({
      ...one,
      groupIds: shuffled(one.groupIds),
      grants: shuffled(one.grants),
    })),
    groups: shuffled(facts.groups).map((one) => ({ ...one, grants: shuffled(one.grants) })),
    divisions: shuffled(facts.divisions),
    roles: shuffled(facts.roles).map((one) => ({
      ...one,
      permissions: shuffled(one.permissions),
      policies: shuffled(one.policies).map((line) => ({
        ...line,
        actions: shuffled(line.actions),
      })),
    })),
    permissions: shuffled(facts.permissions),
  }
}

function shufflerOf(seed: number): <Item>(items: readonly Item[]) => Item[] {
  let state = seed >>> 0
  const below = (limit: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
  return (items) => {
    const left = [...items]
    const order: typeof left = []
    while (left.length > 0) order.push(...left.splice(below(left.length), 1))
    return order
  }
}
