import type { OrderedFacts } from './encode-assignments.ts'
import type { PolicyFact, RoleFact } from './facts.ts'
import { PERMISSION_FLAG, POLICY } from './matrix-layout.ts'
import { compareText, PolicyMatcher } from './role-permissions.ts'
import type { IndexedPermission } from './role-permissions.ts'
import type { TextTableBuilder } from './text-table.ts'

export type EncodedRoles = {
  readonly roles: readonly number[]
  readonly policies: readonly number[]
  readonly actions: readonly number[]
  readonly flat: readonly number[]
  readonly roleBits: Uint32Array
  readonly givingRoles: Uint32Array
  readonly conditionalBits: Uint32Array
  readonly conditionalRoles: number
  readonly permissionWords: number
}

/** Each role twice: as the bits that a check reads, and as its policies, for explaining. */
export function encodeRoles(
  facts: OrderedFacts,
  permissions: readonly IndexedPermission[],
  texts: TextTableBuilder,
): EncodedRoles {
  const permissionWords = Math.ceil(permissions.length / 32)
  const permissionIndex = new Map(permissions.map((permission, index) => [permission.code, index]))
  const matcher = new PolicyMatcher(permissions)
  const roles: number[] = []
  const flat: number[] = []
  const policies: PolicyColumns = { words: [], actions: [] }
  const roleBits = new Uint32Array(facts.roles.length * permissionWords)
  const conditionalRows: Uint32Array[] = []
  for (const [index, role] of facts.roles.entries()) {
    const given = roleBits.subarray(index * permissionWords, (index + 1) * permissionWords)
    const conditional = new Uint32Array(permissionWords)
    const flatIndices = flatPermissions(role, permissionIndex)
    for (const permission of flatIndices) setBit(given, permission)
    for (const policy of role.policies) {
      const bits = policy.condition === null ? given : conditional
      for (const permission of matcher.matches(policy)) setBit(bits, permission)
    }
    const isConditional = role.policies.some((policy) => policy.condition !== null)
    if (isConditional) conditionalRows.push(conditional)
    roles.push(texts.intern(role.id), texts.intern(role.name), texts.intern(role.defaultRoleId))
    roles.push(texts.intern(JSON.stringify(role.licences)), flat.length, flatIndices.length)
    roles.push(policies.words.length / POLICY.words, role.policies.length)
    roles.push(isConditional ? conditionalRows.length : 0)
    flat.push(...flatIndices)
    for (const policy of role.policies) encodePolicy(policy, policies, texts)
  }
  return {
    roles,
    policies: policies.words,
    actions: policies.actions,
    flat,
    roleBits,
    givingRoles: transpose(roleBits, facts.roles.length, permissions.length),
    conditionalBits: joinRows(conditionalRows, permissionWords),
    conditionalRoles: conditionalRows.length,
    permissionWords,
  }
}

/** The permissions' own records, in order of code. */
export function encodePermissions(
  permissions: readonly IndexedPermission[],
  texts: TextTableBuilder,
): number[] {
  return permissions.flatMap((permission) => [
    texts.intern(permission.code),
    texts.intern(permission.label),
    texts.intern(permission.domain),
    texts.intern(permission.entity),
    texts.intern(permission.action),
    (permission.divisionAware ? PERMISSION_FLAG.divisionAware : 0) |
      (permission.allowsConditions ? PERMISSION_FLAG.allowsConditions : 0) |
      (permission.flat ? PERMISSION_FLAG.flat : 0),
  ])
}

type PolicyColumns = { readonly words: number[]; readonly actions: number[] }

function encodePolicy(policy: PolicyFact, columns: PolicyColumns, texts: TextTableBuilder): void {
  const condition =
    policy.condition === null ? 0 : texts.intern(JSON.stringify(policy.condition)) + 1
  columns.words.push(texts.intern(policy.domain), texts.intern(policy.entity))
  columns.words.push(columns.actions.length, policy.actions.length, condition)
  for (const action of policy.actions) columns.actions.push(texts.intern(action))
}

function flatPermissions(role: RoleFact, permissionIndex: ReadonlyMap<string, number>): number[] {
  const indices: number[] = []
  for (const code of [...new Set(role.permissions)].sort(compareText)) {
    const index = permissionIndex.get(code)
    if (index !== undefined) indices.push(index)
  }
  return indices
}

function setBit(bits: Uint32Array, index: number): void {
  bits[index >>> 5] = (bits[index >>> 5] ?? 0) | (1 << (index & 31))
}

/** Rows of bits for each role as rows of bits for each permission. */
function transpose(roleBits: Uint32Array, roles: number, permissions: number): Uint32Array {
  const permissionWords = Math.ceil(permissions / 32)
  const roleWords = Math.ceil(roles / 32)
  const givingRoles = new Uint32Array(permissions * roleWords)
  for (let role = 0; role < roles; role++) {
    for (let word = 0; word < permissionWords; word++) {
      let rest = roleBits[role * permissionWords + word] ?? 0
      for (; rest !== 0; rest &= rest - 1) {
        const permission = word * 32 + 31 - Math.clz32(rest & -rest)
        setBit(givingRoles, permission * roleWords * 32 + role)
      }
    }
  }
  return givingRoles
}

function joinRows(rows: readonly Uint32Array[], width: number): Uint32Array {
  const joined = new Uint32Array(rows.length * width)
  for (const [row, bits] of rows.entries()) joined.set(bits, row * width)
  return joined
}
