import { Failure } from '../domain/failure.ts'
import { nearestName } from '../domain/permission.ts'
import { reader } from './service-answer.ts'
import type { ServiceClient } from './service-client.ts'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** Named as an id is: nothing has to be looked up. */
export function isDivisionId(named: string): boolean {
  return UUID.test(named)
}

const readDivision = reader({ id: 'string', name: 'string' })

/**
 * The id of a division that is named by id or by its name as it is written. Throws `not-found` for a
 * name that no division has, `invalid` for one that several have.
 */
export async function findDivisionId(admin: ServiceClient, named: string): Promise<string> {
  if (isDivisionId(named)) return named
  const names = new Set<string>()
  const ids: string[] = []
  for await (const { id, name } of admin.items('/admin/v1/divisions', readDivision)) {
    names.add(name)
    if (name === named || id === named) ids.push(id)
  }
  const [only, ...others] = ids
  if (only === undefined) {
    const nearest = nearestName(named, names)
    const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`
    throw new Failure('not-found', `no division has the id or name ${named}${hint}`)
  }
  if (others.length === 0) return only
  const message = `several divisions are called ${named}: name one by id: ${ids.join(', ')}`
  throw new Failure('invalid', message)
}
