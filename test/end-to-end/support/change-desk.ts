import type { Simulator } from '../../../simulator/server.ts'
import type { Answer, Body, Caller } from './caller.ts'
import { until } from './until.ts'

const CHANGES = '/admin/v1/role-changes'
const MOVING = new Set(['pending', 'applying', 'rolling-back'])

/** Role changes as an admin asks for them. */
export class ChangeDesk {
  readonly #caller: Caller

  constructor(caller: Caller) {
    this.#caller = caller
  }

  ask(path: string, sent: Parameters<Caller['admin']>[1] = {}): Promise<Answer> {
    return this.#caller.admin(path, sent)
  }

  /** The answer's body. Throws when it is none of success. */
  async get(path: string, sent: Parameters<Caller['admin']>[1] = {}): Promise<Body> {
    const { status, body, text } = await this.ask(path, sent)
    if (status < 300) return body
    throw new Error(`${path} answered ${status} ${text}`)
  }

  simulate(updates: unknown): Promise<Body> {
    return this.get(`${CHANGES}/simulations?limit=1000`, { body: { updates } })
  }

  /** Answered as it is: refusals too. */
  submit(body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return this.ask(CHANGES, { body, headers })
  }

  /** Id of an accepted batch. */
  async accept(body: unknown, headers: Record<string, string> = {}): Promise<string> {
    const { id } = await this.get(CHANGES, { body, headers })
    return id
  }

  find(id: string): Promise<Body> {
    return this.get(`${CHANGES}/${id}?limit=1000`)
  }

  /** The batch with its items, once it no longer moves. */
  atRest(id: string): Promise<Body> {
    return until('the batch has come to rest', async () => {
      const { status, body } = await this.ask(`${CHANGES}/${id}?limit=1000`)
      return status === 200 && !MOVING.has(body.state) && body
    })
  }

  async carryOut(body: unknown): Promise<Body> {
    return await this.atRest(await this.accept(body))
  }

  command(id: string, name: 'stop' | 'resume' | 'rollback', body: object = {}): Promise<Answer> {
    return this.ask(`${CHANGES}/${id}/${name}`, { body })
  }

  async rollBack(id: string, body: object = {}): Promise<Body> {
    await this.get(`${CHANGES}/${id}/rollback`, { body })
    return await this.atRest(id)
  }

  /** Entries of the trail, oldest first, that match a query such as `action=drift`. */
  async entries(query = ''): Promise<Body[]> {
    const { items } = await this.get(`/admin/v1/audit/entries?order=asc&limit=1000&${query}`)
    return items
  }

  /** A rebuild that has ended, and of which the trail tells: with its drift, if it found any. */
  async rebuild(body: unknown = {}): Promise<Body> {
    const rebuild: Body = await this.#caller.rebuild(body)
    await until('the rebuild is in the trail', async () => {
      return (await this.entries(`action=rebuild&subjectId=${rebuild.id}`)).length > 0
    })
    return rebuild
  }

  verification(): Promise<Body> {
    return this.get('/admin/v1/audit/verification')
  }
}

/** States of a batch's items, in order. */
export function itemStates(batch: Body): string[] {
  return batch.items.map((item: Body) => item.state)
}

/** Every user's direct grants as the platform has them, `role division` in order. */
export function directGrants(simulator: Simulator): Record<string, string[]> {
  const { world } = simulator
  return Object.fromEntries(
    world.users('any').map(({ id }) => {
      const grants = world.grants.ofSubject(id)
      return [id, grants.map(({ roleId, divisionId }) => `${roleId} ${divisionId}`).toSorted()]
    }),
  )
}
