import type { Models } from 'purecloud-platform-client-v2'
import { Failure } from '../domain/failure.ts'
import { changesOfStep, planUser, takesAway } from '../domain/plan-user.ts'
import type { NewUser, PlanContext, PlatformUser, UserStep } from '../domain/plan-user.ts'
import type { FieldChange } from '../domain/json-difference.ts'
import { emailKey } from '../domain/user-row.ts'
import type { UserRow } from '../domain/user-row.ts'
import { CREATION, lookAgainMs, needing, writePolicy } from './admin-policy.ts'
import { sleep } from './clock.ts'
import { createOnce } from './create-once.ts'
import { findListedUser, findUsersByEmail, readUser } from './find-users.ts'
import { refusalStatus } from './login-failure.ts'
import { mapPlatformUser } from './map-platform-user.ts'
import type { Platform } from './platform-client.ts'
import { isUnclear } from './unclear-outcome.ts'
import type { Written } from './written.ts'

/** A row with the user that was found for it, and its division looked up. */
export type ProvisionItem = {
  readonly row: UserRow
  readonly current: PlatformUser | undefined
  readonly context: PlanContext
}

export type Provisioned = {
  readonly outcome: 'created' | 'changed' | 'unchanged'
  readonly id: string | undefined
  /** What was written. */
  readonly changes: readonly FieldChange[]
}

export type ProvisionOptions = {
  /** Deactivating and deleting are allowed. */
  readonly allowRemoval: boolean
  /** Is told each write as it succeeds. */
  readonly written: Written
  readonly signal: AbortSignal
}

/** Requests that a row needs at most: bring back, profile, deactivate, move, and as many again. */
const MAX_WRITES = 8
/** Conflicts and lost answers that a row survives. */
const MAX_SETBACKS = 6

/**
 * Makes one user as its row wants it, step by step, each planned on the user as last seen. A conflict
 * and a lost answer lead to reading the user again and comparing anew; a user that somebody created
 * meanwhile is changed instead. Throws what the last attempt failed with.
 */
export function provisionUser(
  platform: Platform,
  item: ProvisionItem,
  options: ProvisionOptions,
): Promise<Provisioned> {
  return new UserProvisioning(platform, item, options).run()
}

class UserProvisioning {
  readonly #platform: Platform
  readonly #item: ProvisionItem
  readonly #options: ProvisionOptions
  #user: PlatformUser | undefined
  #writes = 0
  #setbacks = 0

  constructor(platform: Platform, item: ProvisionItem, options: ProvisionOptions) {
    this.#platform = platform
    this.#item = item
    this.#options = options
    this.#user = item.current
  }

  async run(): Promise<Provisioned> {
    const { row, context } = this.#item
    if (this.#user !== undefined) this.#options.written.found(this.#user.id)
    for (;;) {
      const plan = planUser(row, this.#user, context)
      if (plan.kind === 'unchanged') return this.#done()
      if (plan.kind === 'impossible') throw new Failure('conflict', plan.message)
      if (takesAway(plan) && !this.#options.allowRemoval) {
        const message = `${row.email} would be deactivated or deleted, which was not asked for`
        throw new Failure('conflict', message)
      }
      this.#countWrite()
      if (plan.kind === 'create') {
        await this.#create(plan.user, plan.changes)
        continue
      }
      const [step] = plan.steps
      if (step === undefined || this.#user === undefined) return this.#done()
      await this.#update(this.#user, step, changesOfStep(step, plan.changes))
    }
  }

  #done(): Provisioned {
    const { created, changes } = this.#options.written
    const changed = changes.length > 0 ? 'changed' : 'unchanged'
    const outcome = created ? 'created' : changed
    return { outcome, id: this.#user?.id, changes }
  }

  /** A platform that takes what is written and does not keep it would be written to for ever. */
  #countWrite(): void {
    this.#writes += 1
    if (this.#writes <= MAX_WRITES) return
    const message = `${this.#item.row.email} does not become what was written`
    throw new Failure('upstream-broken', message)
  }

  async #create(user: NewUser, changes: readonly FieldChange[]): Promise<void> {
    const { read, write } = this.#platform
    const { signal, written } = this.#options
    let looks = 0
    const creation = createOnce<PlatformUser>({
      ...CREATION,
      client: write,
      operation: 'POST /api/v2/users',
      send: (sdk) => sdk.users.postUsers(user satisfies Models.CreateUser),
      read: mapPlatformUser,
      // What the search does not know yet, the listings do.
      find: async () => {
        looks += 1
        const found = await findUsersByEmail(read, [user.email], signal)
        const key = emailKey(user.email)
        return found.get(key) ?? (looks % 3 === 0 ? this.#findListed(key) : undefined)
      },
      signal,
    })
    const { item, outcome } = await needing(write, 'directory:user:add', creation)
    this.#user = item
    if (outcome === 'existing') written.found(item.id)
    else written.create(item.id, changes)
  }

  /** Listings that cannot be read to their end tell nothing: why we look is the better answer. */
  async #findListed(email: string): Promise<PlatformUser | undefined> {
    const { signal } = this.#options
    try {
      return await findListedUser(this.#platform.read, email, signal)
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof Failure) return undefined
      throw error
    }
  }

  /** Performs a step; where the user is another one by now, or may be, it is read again instead. */
  async #update(
    user: PlatformUser,
    step: UserStep,
    changes: readonly FieldChange[],
  ): Promise<void> {
    const { written, signal } = this.#options
    const permission = step.kind === 'delete' ? 'directory:user:delete' : 'directory:user:edit'
    try {
      this.#user = await needing(this.#platform.write, permission, this.#perform(user, step))
      written.note(changes)
    } catch (error) {
      signal.throwIfAborted()
      if (isUnclear(error)) written.note(changes)
      const status = refusalStatus(error)
      // A version that is not the latest was seen to be answered with either.
      const outdated = status === 409 || status === 400
      if (!outdated && !isUnclear(error)) throw error
      const again = await this.#readAgain(user, error as Failure)
      if (status === 400 && again.version === user.version) throw error
      this.#user = again
    }
  }

  async #perform(user: PlatformUser, step: UserStep): Promise<PlatformUser> {
    const { write } = this.#platform
    const policy = writePolicy(this.#options.signal)
    const { id, version } = user
    switch (step.kind) {
      case 'delete':
        await write
          .call({ ...policy, idempotent: true }, (sdk) => sdk.users.deleteUser(id))
          .catch(unlessGone)
        return { ...user, state: 'deleted' }
      case 'division': {
        const { divisionId } = step
        await write.call({ ...policy, idempotent: true }, (sdk) =>
          sdk.authorization.postAuthorizationDivisionObject(divisionId, 'USER', [id]),
        )
        return { ...user, divisionId }
      }
      case 'state':
      case 'profile': {
        const fields = step.kind === 'state' ? { state: step.state } : step.fields
        const answer = await write.call(policy, (sdk) =>
          sdk.users.patchUser(id, { ...fields, version } satisfies Models.UpdateUser),
        )
        return mapPlatformUser(answer)
      }
    }
  }

  /** The user as it is now, later each time: what was written may show with a delay. */
  async #readAgain(user: PlatformUser, failure: Failure): Promise<PlatformUser> {
    const { read } = this.#platform
    this.#setbacks += 1
    if (this.#setbacks > MAX_SETBACKS) throw failure
    await sleep(read.clock, lookAgainMs(this.#setbacks), this.#options.signal)
    const again = await readUser(read, user.id, this.#options.signal)
    if (again === undefined) throw failure
    return again
  }
}

/** Who is gone is deleted, be it by an attempt whose answer was lost. */
function unlessGone(error: unknown): void {
  if (refusalStatus(error) !== 404) throw error
}
