import { isIPv4, isIPv6 } from 'node:net'

const MAPPED = '::ffff:'
/** 16-bit groups of an IPv6 address, and those of them that name a network. */
const GROUPS = 8
const NETWORK_GROUPS = 4

/**
 * Whom an address stands for: an IPv4 address for itself, an IPv6 address for its /64, which is the
 * least that one customer or host is given. What is no address is `unknown`.
 */
export function sourceOf(address: string): string {
  const [bare = ''] = address.toLowerCase().split('%', 1)
  const plain = bare.startsWith(MAPPED) ? bare.slice(MAPPED.length) : bare
  if (isIPv4(plain)) return plain
  if (!isIPv6(bare)) return 'unknown'
  const [left = [], right = []] = bare.split('::').map((side) => side.split(':').filter(Boolean))
  const zeros = Array.from({ length: Math.max(0, GROUPS - left.length - right.length) }, () => '0')
  const network = [...left, ...zeros, ...right].slice(0, NETWORK_GROUPS)
  return `${network.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}
