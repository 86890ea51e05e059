import type { ReadMatrixOptions } from '../domain/directory.ts'
import type { DivisionFact, Facts, RoleFact } from '../domain/facts.ts'
import { countAccessPolicies } from './access-policies.ts'
import { assignGrants } from './assign-grants.ts'
import type { HeldRole } from './assign-grants.ts'
import { allOrFirstError, concurrently } from './concurrently.ts'
import { openFactsReader } from './facts-reader.ts'
import type { FactsReader } from './facts-reader.ts'
import { mapDivision, mapDomain, mapGroup } from './map-directory.ts'
import type { ListedDomain, ListedGroup } from './map-directory.ts'
import { mapRoleHolder } from './map-role-holder.ts'
import { mapRole } from './map-role.ts'
import type { PlatformClient } from './platform-client.ts'
import type { Listing, ListingRead } from './read-listing.ts'
import { readOrganization } from './read-organization.ts'
import type { Organization } from './read-organization.ts'
import { readUsers, USER_LISTINGS } from './read-users.ts'
import type { UsersRead } from './read-users.ts'

const PAGE_OF_GROUPS = 500
const PAGE = 100

/** Listings and calls that every reading begins with, whatever the organisation's size. */
const FIRST_REQUESTS = USER_LISTINGS + 6

/**
 * Everything that a matrix is made of, as of when reading began. All of it or it throws: a page or
 * a role that cannot be read is never left out. What the platform itself does not list is counted
 * in the gaps.
 */
export async function readFacts(
  client: PlatformClient,
  options: ReadMatrixOptions,
): Promise<Facts> {
  const takenAt = Date.now()
  const reader = openFactsReader(client, options)
  reader.progress.plan(FIRST_REQUESTS)
  const [organization, accessPolicies, users, groups, divisions, domains, roles] =
    await readDirectory(reader)
  const held = await readHolders(reader, roles)
  const { subjects, groups: groupFacts, gaps } = assignGrants(users.users, groups, held)
  reader.progress.finish()
  return {
    organizationId: organization.id,
    organizationName: organization.name,
    takenAt,
    subjects,
    groups: groupFacts,
    divisions,
    roles,
    permissions: domains.flatMap((domain) => domain.permissions),
    activeAccessPolicies: accessPolicies,
    gaps: { ...gaps, inactiveUsersBeyondListing: !users.complete },
  }
}

type DirectoryRead = readonly [
  Organization,
  number | null,
  UsersRead,
  readonly ListedGroup[],
  readonly DivisionFact[],
  readonly ListedDomain[],
  readonly RoleFact[],
]

function readDirectory(reader: FactsReader): Promise<DirectoryRead> {
  const groups = itemsOf(
    reader.list({
      name: 'groups',
      pageSize: PAGE_OF_GROUPS,
      fetch: (page) => reader.call((sdk) => sdk.groups.getGroups(page)),
      map: mapGroup,
    }),
  )
  return allOrFirstError([
    reader.part(reader.call(readOrganization).finally(() => reader.progress.step())),
    reader.part(countAccessPolicies(reader)),
    readUsers(reader, groups),
    groups,
    itemsOf(reader.list(divisionListing(reader))),
    itemsOf(reader.list(domainListing(reader))),
    itemsOf(reader.list(roleListing(reader))),
  ])
}

function divisionListing(reader: FactsReader): Listing<DivisionFact> {
  return {
    name: 'divisions',
    pageSize: PAGE,
    fetch: (page) => reader.call((sdk) => sdk.authorization.getAuthorizationDivisions(page)),
    map: mapDivision,
  }
}

function domainListing(reader: FactsReader): Listing<ListedDomain> {
  return {
    name: 'permission domains',
    pageSize: PAGE,
    fetch: (page) => reader.call((sdk) => sdk.authorization.getAuthorizationPermissions(page)),
    map: mapDomain,
  }
}

function roleListing(reader: FactsReader): Listing<RoleFact> {
  return {
    name: 'roles',
    pageSize: PAGE,
    // Counting each role's users is slow on the platform and of no use here.
    fetch: (page) =>
      reader.call((sdk) => sdk.authorization.getAuthorizationRoles({ ...page, userCount: false })),
    map: mapRole,
  }
}

async function itemsOf<Item>(listing: Promise<ListingRead<Item>>): Promise<readonly Item[]> {
  return (await listing).items
}

/** Who holds each role directly, and in which divisions. */
function readHolders(reader: FactsReader, roles: readonly RoleFact[]): Promise<HeldRole[]> {
  reader.progress.plan(roles.length)
  return concurrently(roles, reader.concurrency, async ({ id: roleId }) => {
    const holders = reader.list({
      name: `holders of role ${roleId}`,
      pageSize: PAGE,
      fetch: (page) =>
        reader.call((sdk) => sdk.authorization.getAuthorizationRoleSubjectgrants(roleId, page)),
      map: (entity) => mapRoleHolder(entity, roleId),
    })
    return { roleId, holders: await itemsOf(holders) }
  })
}
