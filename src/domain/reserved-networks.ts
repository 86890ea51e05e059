import { contains, overlaps, parseNetwork } from './ip-network.ts'
import type { Network } from './ip-network.ts'

/** A range that no address of the public internet lies in. */
export type ReservedRange = {
  /** As RFC 6890 calls it; multicast as RFC 5771 does. */
  readonly name: string
  readonly network: Network
  readonly text: string
  /** Used within networks of one's own: no platform ever sees such an address as a sender. */
  readonly private: boolean
}

/** RFC 6890, 2.2.2, and multicast. The narrower of two ranges stands first. */
const RANGES: readonly ReservedRange[] = [
  range('0.0.0.0/8', 'This host on this network', false),
  range('10.0.0.0/8', 'Private-Use', true),
  range('100.64.0.0/10', 'Shared Address Space', true),
  range('127.0.0.0/8', 'Loopback', true),
  range('169.254.0.0/16', 'Link Local', true),
  range('172.16.0.0/12', 'Private-Use', true),
  range('192.0.0.0/29', 'DS-Lite', false),
  range('192.0.0.0/24', 'IETF Protocol Assignments', false),
  range('192.0.2.0/24', 'Documentation (TEST-NET-1)', false),
  range('192.88.99.0/24', '6to4 Relay Anycast', false),
  range('192.168.0.0/16', 'Private-Use', true),
  range('198.18.0.0/15', 'Benchmarking', false),
  range('198.51.100.0/24', 'Documentation (TEST-NET-2)', false),
  range('203.0.113.0/24', 'Documentation (TEST-NET-3)', false),
  range('224.0.0.0/4', 'Multicast', false),
  range('255.255.255.255/32', 'Limited Broadcast', false),
  range('240.0.0.0/4', 'Reserved', false),
]

/**
 * The narrowest reserved range that a network lies in, or else the first that it reaches into;
 * undefined when it has nothing to do with any.
 */
export function reservedRangeOf(
  network: Network,
): { readonly range: ReservedRange; readonly within: boolean } | undefined {
  const around = RANGES.find((candidate) => contains(candidate.network, network))
  if (around !== undefined) return { range: around, within: true }
  const touched = RANGES.find((candidate) => overlaps(candidate.network, network))
  return touched && { range: touched, within: false }
}

function range(text: string, name: string, isPrivate: boolean): ReservedRange {
  const { network } = parseNetwork(text)
  if (network === undefined) throw new Error(`${text} is no network`)
  return { name, network, text, private: isPrivate }
}
