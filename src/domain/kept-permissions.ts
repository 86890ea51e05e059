import { bitsWithout, commonBits, heldBits, isEmptyRow } from './permission-bits.ts'
import type { PermissionReader } from './permission-bits.ts'
import { bitIndices } from './role-rows.ts'
import type { SubjectChange } from './subject-change.ts'

/**
 * Permissions that were taken away in a division and are held there all the same because groups give
 * them, and nothing direct does → those groups. Permissions go by their bit in the reader's rows.
 */
export function keptThroughGroups(
  reader: PermissionReader,
  { after, dropped }: SubjectChange,
): Map<number, Set<number>> {
  const kept = new Map<number, Set<number>>()
  const groups = new Set(after.groups.filter((group) => group >= 0))
  if (groups.size === 0) return kept
  const room = reader.room()
  for (const { place, bits } of dropped) {
    const direct = reader.read(after, place, room, (group) => group < 0)
    const missing = bitsWithout(bits, heldBits(direct))
    if (isEmptyRow(missing)) continue
    for (const group of groups) {
      const given = reader.read(after, place, room, (one) => one === group)
      for (const permission of bitIndices(commonBits(missing, heldBits(given)))) {
        const others = kept.get(permission)
        if (others === undefined) kept.set(permission, new Set([group]))
        else others.add(group)
      }
    }
  }
  return kept
}
