import { ALL_DIVISIONS } from './facts.ts'
import type { Grant } from './facts.ts'
import { FaultList } from './fault-list.ts'
import { grantKey } from './grant-sets.ts'
import { readUntil } from './instant.ts'
import type { EmailOwners } from './find-emails.ts'
import type { Matrix } from './matrix.ts'
import { lookUpDivisions, lookUpRoles } from './name-lookup.ts'
import type { NameLookup } from './name-lookup.ts'
import { grantContext } from './plan-grants.ts'
import type { GrantContext } from './plan-grants.ts'
import { MAX_BATCH_USERS } from './role-change.ts'
import type { GrantIntent, RequestedUpdate, TimedGrant, UserChange } from './role-change.ts'
import { UserLookup } from './user-lookup.ts'

/**
 * Updates as callers write them → changes with ids, in the same order. Everything is checked against
 * the matrix that the batch stands on. Throws one `invalid` with all faults, fields as the caller
 * wrote them (`updates/3/grant/0/roleId`).
 *
 * @param now epoch milliseconds: a grant's `until` lies after it
 * @param byEmail owners of the emails that the updates name, where they have been found already
 */
export function resolveUpdates(
  matrix: Matrix,
  updates: readonly RequestedUpdate[],
  now: number,
  byEmail?: EmailOwners,
): UserChange[] {
  const faults = new FaultList()
  if (updates.length === 0 || updates.length > MAX_BATCH_USERS) {
    faults.add('updates', `must hold 1 to ${MAX_BATCH_USERS} updates, not ${updates.length}`)
    faults.throwIfAny()
  }
  const users = new UserLookup(matrix, namedUsers(updates), byEmail)
  const resolver = new UpdateResolver(matrix, users, now, faults)
  const changes = updates.map((update, index) => resolver.resolve(update, index))
  faults.throwIfAny()
  return changes
}

/** The users that updates name, as they name them. */
export function namedUsers(updates: readonly RequestedUpdate[]): string[] {
  return updates.map((update) => update.userId)
}

/** Look-ups and faults of one call. What is at fault is left out of the result: it is not used. */
class UpdateResolver {
  readonly #users: UserLookup
  readonly #roles: NameLookup
  readonly #divisions: NameLookup
  readonly #context: GrantContext
  readonly #now: number
  readonly #faults: FaultList
  /** User id → the field of the update that named it first. */
  readonly #named = new Map<string, string>()

  constructor(matrix: Matrix, users: UserLookup, now: number, faults: FaultList) {
    this.#users = users
    this.#roles = lookUpRoles(matrix)
    this.#divisions = lookUpDivisions(matrix)
    this.#context = grantContext(matrix)
    this.#now = now
    this.#faults = faults
  }

  resolve(update: RequestedUpdate, index: number): UserChange {
    const field = `updates/${index}`
    const userId = this.#user(update.userId, field)
    return { userId, intent: this.#intent(update, field) }
  }

  #user(text: string, field: string): string {
    const user = this.#users.find(text)
    if ('fault' in user) {
      this.#faults.add(`${field}/userId`, user.fault)
      return ''
    }
    const first = this.#named.get(user.id)
    if (first === undefined) this.#named.set(user.id, field)
    else this.#faults.add(`${field}/userId`, `names the same user as ${first}`)
    return user.id
  }

  #intent(update: RequestedUpdate, field: string): GrantIntent {
    const { grant, revoke, newRoleIds, divisionId } = update
    const inDelta = grant !== undefined || revoke !== undefined
    if (inDelta === (newRoleIds !== undefined)) {
      this.#faults.add(field, 'must have either newRoleIds, or grant, revoke or both')
    } else if (inDelta && (grant ?? []).length + (revoke ?? []).length === 0) {
      this.#faults.add(field, 'grants and revokes nothing')
    }
    if (divisionId !== undefined && newRoleIds === undefined) {
      this.#faults.add(`${field}/divisionId`, 'is for newRoleIds only')
    }
    if (newRoleIds !== undefined) return this.#replacement(newRoleIds, divisionId, field)
    return this.#delta(grant ?? [], revoke ?? [], field)
  }

  #replacement(
    newRoleIds: readonly string[],
    divisionId: string | undefined,
    field: string,
  ): GrantIntent {
    const roleIds = newRoleIds.map((text, i) => this.#role(text, `${field}/newRoleIds/${i}`))
    if (
      divisionId === undefined &&
      newRoleIds.length > 0 &&
      this.#context.homeDivisionId === null
    ) {
      const message = "needs a divisionId: the organisation's home division is not known"
      this.#faults.add(`${field}/newRoleIds`, message)
    }
    return {
      kind: 'replace',
      roleIds: [...new Set(roleIds)],
      divisionId:
        divisionId === undefined ? null : this.#division(divisionId, `${field}/divisionId`),
    }
  }

  // A role that was not found is '' here: two of them look alike without being the same.
  #delta(grant: readonly TimedGrant[], revoke: readonly Grant[], field: string): GrantIntent {
    const granted = new Map<string, TimedGrant>()
    for (const [i, asked] of grant.entries()) {
      const at = `${field}/grant/${i}`
      const pair = this.#pair(asked, at, 'granted')
      const timed: TimedGrant =
        asked.until === undefined ? pair : { ...pair, ...this.#until(asked.until, at) }
      const key = grantKey(pair)
      const known = granted.get(key)
      if (pair.roleId !== '' && known !== undefined && known.until !== timed.until) {
        this.#faults.add(`${at}/until`, 'the same grant is asked for with another end')
      }
      granted.set(key, timed)
    }
    const revoked = new Map<string, Grant>()
    for (const [i, asked] of revoke.entries()) {
      const at = `${field}/revoke/${i}`
      const pair = this.#pair(asked, at, 'revoked')
      const key = grantKey(pair)
      if (pair.roleId !== '' && granted.has(key)) this.#faults.add(at, 'is granted as well')
      revoked.set(key, pair)
    }
    return { kind: 'delta', grant: [...granted.values()], revoke: [...revoked.values()] }
  }

  #pair(asked: Grant, at: string, done: 'granted' | 'revoked'): Grant {
    const roleId = this.#role(asked.roleId, `${at}/roleId`)
    if (this.#context.employeeRoleIds.has(roleId)) {
      this.#faults.add(`${at}/roleId`, `the employee role cannot be ${done}: everyone has it`)
    }
    return { roleId, divisionId: this.#division(asked.divisionId, `${at}/divisionId`) }
  }

  #until(text: string, at: string): { readonly until?: string } {
    const until = readUntil(text, this.#now)
    if ('instant' in until) return { until: until.instant }
    this.#faults.add(`${at}/until`, until.fault)
    return {}
  }

  #role(text: string, field: string): string {
    const found = this.#roles.find(text)
    if ('id' in found) return found.id
    this.#faults.add(field, found.fault)
    return ''
  }

  #division(text: string, field: string): string {
    if (text === ALL_DIVISIONS) return ALL_DIVISIONS
    const found = this.#divisions.find(text)
    if ('id' in found) return found.id
    this.#faults.add(field, found.fault)
    return ''
  }
}
