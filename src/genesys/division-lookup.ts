import type { DivisionFact } from '../domain/facts.ts'
import { Failure } from '../domain/failure.ts'
import type { FaultList } from '../domain/fault-list.ts'
import { NameLookup } from '../domain/name-lookup.ts'
import { readAll, readPolicy } from './admin-policy.ts'
import { mapDivision } from './map-directory.ts'
import type { PlatformClient } from './platform-client.ts'

const PAGE_SIZE = 100

export type DivisionLookup = {
  readonly homeDivisionId: string
  /** The id of what somebody wrote; undefined, and a fault at `field`, when nothing has it. */
  resolve(text: string, field: string, faults: FaultList): string | undefined
  /** What to write for a division so that it is found again: its name, where that is clear. */
  textOf(division: { readonly id: string; readonly name: string }): string
}

/** Reads all divisions. Throws `upstream-broken` when none of them is the home division. */
export async function readDivisions(
  client: PlatformClient,
  signal: AbortSignal,
): Promise<DivisionLookup> {
  const divisions = await readAll<DivisionFact>(client, {
    name: 'divisions',
    pageSize: PAGE_SIZE,
    fetch: (page) =>
      client.call(readPolicy(signal), (sdk) => sdk.authorization.getAuthorizationDivisions(page)),
    map: mapDivision,
  })
  const home = divisions.find((division) => division.home)
  if (home === undefined) {
    throw new Failure('upstream-broken', 'the divisions came without "homeDivision"')
  }
  const lookup = new NameLookup('division', divisions)
  return {
    homeDivisionId: home.id,
    resolve(text, field, faults) {
      const found = lookup.find(text)
      if ('id' in found) return found.id
      faults.add(field, found.fault)
      return undefined
    },
    textOf({ id, name }) {
      const found = lookup.find(name)
      // Files are read without the spaces around a text.
      return name === name.trim() && 'id' in found && found.id === id ? name : id
    },
  }
}
