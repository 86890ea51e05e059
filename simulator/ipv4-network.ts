import { BlockList, isIPv4 } from 'node:net'

/** An IPv4 network as somebody wrote it: `text` is its first address. */
export interface Ipv4Network {
  readonly text: string
  readonly prefix: number
}

const PRIVATE_NETWORKS: readonly Ipv4Network[] = [
  { text: '10.0.0.0', prefix: 8 },
  { text: '100.64.0.0', prefix: 10 },
  { text: '127.0.0.0', prefix: 8 },
  { text: '169.254.0.0', prefix: 16 },
  { text: '172.16.0.0', prefix: 12 },
  { text: '192.168.0.0', prefix: 16 },
]

/** Reads `203.0.113.0/24` and, as a network of one, `203.0.113.7`; undefined for all else. */
export function readIpv4Network(given: string): Ipv4Network | undefined {
  const [text = '', digits = '32', ...rest] = given.split('/')
  const prefix = Number(digits)
  if (!isIPv4(text) || !/^\d{1,2}$/.test(digits) || prefix > 32 || rest.length > 0) return undefined
  return { text, prefix }
}

export function hasHostBits({ text, prefix }: Ipv4Network): boolean {
  const address = text.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)
  return address % 2 ** (32 - prefix) !== 0
}

export function isPrivate({ text, prefix }: Ipv4Network): boolean {
  return PRIVATE_NETWORKS.some((range) => prefix >= range.prefix && covers([range], text))
}

/** Whether an address is in one of the networks. */
export function covers(networks: readonly Ipv4Network[], address: string): boolean {
  const list = new BlockList()
  for (const { text, prefix } of networks) list.addSubnet(text, prefix)
  return list.check(address)
}
