import { json, type Operation } from './operation.ts'
import { cut, listing, readPage } from './paging.ts'
import { choiceParameter, textParameter } from './query.ts'
import type { PermissionRecord } from './records.ts'

export const MAX_PERMISSIONS_PAGE = 100

interface DomainGroup {
  readonly domain: string
  readonly text: string
}

const groupedCatalogues = new WeakMap<readonly PermissionRecord[], readonly DomainGroup[]>()

function permissionEntity(permission: PermissionRecord): object {
  return {
    domain: permission.domain,
    entityType: permission.entity,
    action: permission.action,
    label: permission.label,
    allowsConditions: permission.allowsConditions,
    divisionAware: permission.divisionAware,
  }
}

/** The platform lists the catalogue domain by domain, each with a map of its entities. */
function group(catalogue: readonly PermissionRecord[]): DomainGroup[] {
  const domains = Map.groupBy(catalogue, (permission) => permission.domain)
  return [...domains].map(([domain, permissions]) => {
    const entities = Map.groupBy(permissions, (permission) => permission.entity)
    const permissionMap = Object.fromEntries(
      [...entities].map(([entity, items]) => [entity, items.map(permissionEntity)]),
    )
    return { domain, text: JSON.stringify({ id: domain, name: domain, domain, permissionMap }) }
  })
}

function domainGroups(catalogue: readonly PermissionRecord[]): readonly DomainGroup[] {
  let groups = groupedCatalogues.get(catalogue)
  if (groups === undefined) {
    groups = group(catalogue)
    groupedCatalogues.set(catalogue, groups)
  }
  return groups
}

const listPermissions: Operation = {
  method: 'GET',
  path: '/api/v2/authorization/permissions',
  query: ['pageSize', 'pageNumber', 'queryType', 'query'],
  handle(call) {
    const { world, path, query } = call
    const page = readPage(query, { max: MAX_PERMISSIONS_PAGE })
    const type = choiceParameter(query, 'queryType', ['domain', 'permission'], 'domain')
    const wanted = textParameter(query, 'query')?.toLowerCase()
    const groups = selectGroups(world.catalogue, type, wanted)
    const entities = cut(groups, page).map((domain) => domain.text)
    return json(listing({ path, query, page, total: groups.length, entities }))
  },
}

function selectGroups(
  catalogue: readonly PermissionRecord[],
  type: 'domain' | 'permission',
  wanted: string | undefined,
): readonly DomainGroup[] {
  if (wanted === undefined) return domainGroups(catalogue)
  if (type === 'domain') {
    return domainGroups(catalogue).filter(({ domain }) => domain.toLowerCase().includes(wanted))
  }
  return group(
    catalogue.filter(({ domain, entity, action }) =>
      `${domain}:${entity}:${action}`.toLowerCase().includes(wanted),
    ),
  )
}

export const catalogueOperations: readonly Operation[] = [listPermissions]
