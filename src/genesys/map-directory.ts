import type { DivisionFact, GroupFact, PermissionFact } from '../domain/facts.ts'
import { broken, listIn, objectIn, optionalTextIn, textIn } from './answer-shape.ts'

/** A group as listed; its grants are read by role. */
export type ListedGroup = Omit<GroupFact, 'grants'>

/** A `Group`. One that does not say whether it carries roles is broken: neither guess is safe. */
export function mapGroup(entity: unknown): ListedGroup {
  const group = objectIn(entity, 'a group')
  const id = textIn(group, 'id', 'a group')
  const { rolesEnabled } = group
  if (typeof rolesEnabled !== 'boolean') throw broken(`group ${id}`, 'no "rolesEnabled"')
  return { id, name: optionalTextIn(group, 'name', `group ${id}`), rolesEnabled }
}

/** An `AuthzDivision`. */
export function mapDivision(entity: unknown): DivisionFact {
  const division = objectIn(entity, 'a division')
  const id = textIn(division, 'id', 'a division')
  const name = optionalTextIn(division, 'name', `division ${id}`)
  return { id, name, home: division['homeDivision'] === true }
}

/** A domain of the catalogue with all its permissions. */
export type ListedDomain = { readonly id: string; readonly permissions: readonly PermissionFact[] }

/** A `DomainPermissionCollection`. */
export function mapDomain(entity: unknown): ListedDomain {
  const collection = objectIn(entity, 'a permission domain')
  const domain = textIn(collection, 'domain', 'a permission domain')
  const where = `permission domain ${domain}`
  const map = objectIn(collection['permissionMap'], where)
  const permissions = Object.keys(map).flatMap((entityName) => {
    return listIn(map, entityName, where).map((item) => {
      const permission = objectIn(item, where)
      return {
        domain,
        entity: entityName,
        action: textIn(permission, 'action', where),
        label: optionalTextIn(permission, 'label', where),
        // Unsaid is taken for the narrower meaning: the permission holds where it was granted.
        divisionAware: permission['divisionAware'] !== false,
        allowsConditions: permission['allowsConditions'] === true,
      }
    })
  })
  return { id: domain, permissions }
}
