import type { DivisionRecord } from './records.ts'
import { EVERY_DIVISION, type World } from './world.ts'

function uri(id: string): string {
  return `/api/v2/authorization/divisions/${id}`
}

/** The short form that users and subject grants carry. `*` has no name, as on the platform. */
export function divisionReference(world: World, id: string): object {
  const name = world.divisions.get(id)?.name
  return { id, ...(name !== undefined && { name }), selfUri: uri(id) }
}

export function divisionEntity(division: DivisionRecord): object {
  const { id, name, description, home } = division
  return { id, name, description: description ?? '', homeDivision: home, selfUri: uri(id) }
}

/** The division inside a grant; `*` comes as the bare literal. */
export function grantedDivision(world: World, id: string): object {
  const division = world.divisions.get(id)
  if (id === EVERY_DIVISION || division === undefined) {
    return { id, homeDivision: false, selfUri: uri(id) }
  }
  return divisionEntity(division)
}
