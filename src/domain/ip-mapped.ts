/** What a text with colons in it is. */
export type Ipv6Reading =
  /** `address` is the IPv4 address; no `prefix` when it reaches beyond the mapped addresses. */
  | { readonly kind: 'mapped'; readonly address: number; readonly prefix: number | undefined }
  | { readonly kind: 'ipv6' }
  | { readonly kind: 'none' }

const GROUPS = 8
/** Bits in front of the IPv4 address (RFC 4291, 2.5.5.2): eighty zeros, then sixteen ones. */
const MAPPED_BITS = 96
const MAX_PREFIX = 128

/** Reads an IPv6 address or network in any of its spellings (RFC 4291, 2.2). */
export function readMappedNetwork(text: string): Ipv6Reading {
  const [whole = '', prefixText, ...rest] = text.split('/')
  if (rest.length > 0) return { kind: 'none' }
  const prefix = prefixText === undefined ? MAX_PREFIX : Number(prefixText)
  const wellFormed = prefixText === undefined || /^\d{1,3}$/.test(prefixText)
  // A zone is a matter of one host: `fe80::1%eth0`.
  const groups = groupsOf(whole.replace(/%.*$/, ''))
  if (groups === undefined || !wellFormed || prefix > MAX_PREFIX) return { kind: 'none' }
  const [high = 0, low = 0] = groups.slice(-2)
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
  if (!mapped) return { kind: 'ipv6' }
  return {
    kind: 'mapped',
    address: high * 0x1_0000 + low,
    prefix: prefix < MAPPED_BITS ? undefined : prefix - MAPPED_BITS,
  }
}

/** The eight groups of an address; undefined when it is none. */
function groupsOf(text: string): readonly number[] | undefined {
  const [head = '', tail, ...rest] = text.split('::')
  if (rest.length > 0) return undefined
  const before = groupList(head, tail === undefined)
  if (tail === undefined) return before?.length === GROUPS ? before : undefined
  const after = groupList(tail, true)
  if (before === undefined || after === undefined) return undefined
  const zeros = GROUPS - before.length - after.length
  return zeros < 1 ? undefined : [...before, ...Array<number>(zeros).fill(0), ...after]
}

/** @param last whether the last part may be in dotted decimal: it ends the address */
function groupList(text: string, last: boolean): readonly number[] | undefined {
  if (text === '') return []
  const parts = text.split(':')
  const groups: number[] = []
  for (const [index, part] of parts.entries()) {
    const dotted = last && index === parts.length - 1 ? dottedGroups(part) : undefined
    if (dotted !== undefined) groups.push(...dotted)
    else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16))
    else return undefined
  }
  return groups
}

function dottedGroups(text: string): readonly number[] | undefined {
  const octets = text.split('.')
  if (octets.length !== 4) return undefined
  if (octets.some((octet) => !/^(0|[1-9]\d{0,2})$/.test(octet) || Number(octet) > 255))
    return undefined
  const [a = 0, b = 0, c = 0, d = 0] = octets.map(Number)
  return [a * 256 + b, c * 256 + d]
}
