import { readMappedNetwork } from './ip-mapped.ts'

/** An IPv4 network. `address` is an unsigned 32-bit number, zero beyond the prefix. */
export type Network = { readonly address: number; readonly prefix: number }

/** What is wrong with a text that was to be a network. */
type NetworkFault = { readonly message: string; readonly suggestion?: string }

/**
 * `network` is what the text means, where that is beyond doubt: also beside the fault that bits of
 * the host are set.
 */
export type ParsedNetwork = {
  readonly network: Network | undefined
  readonly faults: readonly NetworkFault[]
}

/** The longest text that may be an address of any kind with a prefix. */
const MAX_LENGTH = 64
const OCTETS = 4
const MAX_PREFIX = 32

/**
 * Reads `203.0.113.0/24`. Nothing is guessed: each fault is told, with the corrected network where
 * there is one. IPv4-mapped IPv6 (RFC 4291, 2.5.5.2) is recognised and refused by name, so that
 * `::ffff:10.0.0.1` passes for nothing else.
 */
export function parseNetwork(text: string): ParsedNetwork {
  if (text === '') return faulty('must not be empty')
  if (text.length > MAX_LENGTH) {
    return faulty(`is longer (${text.length} characters) than any IPv4 network`)
  }
  if (text !== text.trim()) {
    const { network } = parseNetwork(text.trim())
    return faulty('has spaces around it', network && formatNetwork(network))
  }
  if (text.includes(':')) return faultyIpv6(text)
  const [address = '', prefix, ...rest] = text.split('/')
  if (rest.length > 0) return faulty('has more than one "/"')
  return parseParts(address, prefix)
}

function parseParts(addressText: string, prefixText: string | undefined): ParsedNetwork {
  const address = parseAddress(addressText)
  const prefix = parsePrefix(prefixText)
  if (address.value === undefined) {
    return { network: undefined, faults: [...address.faults, ...prefix.faults] }
  }
  if (prefix.value === undefined) {
    const { suggestion: bits } = prefix
    if (bits === undefined) return { network: undefined, faults: prefix.faults }
    const suggestion = formatNetwork(networkOf(address.value, bits))
    const faults = prefix.faults.map((fault) => ({ ...fault, suggestion }))
    return { network: undefined, faults }
  }
  const network = networkOf(address.value, prefix.value)
  if (network.address !== address.value) {
    const suggestion = formatNetwork(network)
    const message = `has host bits set: the network of this prefix is ${suggestion}`
    return { network, faults: [{ message, suggestion }] }
  }
  return { network, faults: [] }
}

type Part = { readonly value: number | undefined; readonly faults: readonly NetworkFault[] }

/** Dotted decimal, and nothing of what older parsers read as octal or hexadecimal. */
function parseAddress(text: string): Part {
  const octets = text.split('.')
  if (octets.length !== OCTETS) {
    return { value: undefined, faults: [{ message: 'is not four octets with dots between' }] }
  }
  const faults = octets.flatMap((octet, index) => octetFault(octet, index + 1) ?? [])
  if (faults.length > 0) return { value: undefined, faults }
  return { value: octets.reduce((sum, octet) => sum * 256 + Number(octet), 0), faults }
}

function octetFault(octet: string, position: number): NetworkFault | undefined {
  const name = `octet ${position}`
  if (octet === '') return { message: `${name} is missing` }
  if (!/^\d+$/.test(octet)) return { message: `${name} is not a decimal number` }
  if (octet.length > 1 && octet.startsWith('0')) {
    return { message: `${name} has leading zeros, which some take for octal` }
  }
  return Number(octet) > 255 ? { message: `${name} is above 255` } : undefined
}

/** `suggestion` is the prefix that was probably meant. */
type Prefix = Part & { readonly suggestion?: number }

function parsePrefix(text: string | undefined): Prefix {
  if (text === undefined) return badPrefix('has no prefix', MAX_PREFIX)
  if (text === '') return badPrefix('has no number after "/"', MAX_PREFIX)
  if (text.includes('.')) return badPrefix('has a netmask in place of a prefix', prefixOfMask(text))
  if (!/^\d+$/.test(text)) return badPrefix('has a prefix that is not a decimal number')
  const value = Number(text)
  if (value > MAX_PREFIX) return badPrefix(`has a prefix above ${MAX_PREFIX}`)
  if (text.length > 1 && text.startsWith('0')) {
    return badPrefix('has a prefix with leading zeros', value)
  }
  return { value, faults: [] }
}

function badPrefix(message: string, suggestion?: number): Prefix {
  const faults = [{ message }]
  return { value: undefined, faults, ...(suggestion !== undefined && { suggestion }) }
}

/** The prefix that a netmask stands for; undefined when its ones are not all in front. */
function prefixOfMask(text: string): number | undefined {
  const { value } = parseAddress(text)
  if (value === undefined) return undefined
  for (let prefix = 0; prefix <= MAX_PREFIX; prefix++) if (maskOf(prefix) === value) return prefix
  return undefined
}

function faultyIpv6(text: string): ParsedNetwork {
  const mapped = readMappedNetwork(text)
  switch (mapped.kind) {
    case 'mapped': {
      const { address, prefix } = mapped
      const suggestion = prefix === undefined ? undefined : networkOf(address, prefix)
      return faulty(
        'is an IPv4-mapped IPv6 address: write the IPv4 network itself',
        suggestion && formatNetwork(suggestion),
      )
    }
    case 'ipv6':
      return faulty('is an IPv6 address: only IPv4 networks are taken')
    case 'none':
      return faulty('is no IPv4 network')
  }
}

function faulty(message: string, suggestion?: string): ParsedNetwork {
  return { network: undefined, faults: [suggestion ? { message, suggestion } : { message }] }
}

/** The network of this prefix that an address lies in. */
function networkOf(address: number, prefix: number): Network {
  return { address: (address & maskOf(prefix)) >>> 0, prefix }
}

/** Shifting by 32 would shift by nothing. */
function maskOf(prefix: number): number {
  return prefix === 0 ? 0 : (0xffff_ffff << (MAX_PREFIX - prefix)) >>> 0
}

/** An IPv4 address in dotted decimal; undefined for anything else. */
export function parseHostAddress(text: string): number | undefined {
  return text.length > MAX_LENGTH ? undefined : parseAddress(text).value
}

/** Whether every address of `inner` is one of `outer`; a network contains itself. */
export function contains(outer: Network, inner: Network): boolean {
  return (
    outer.prefix <= inner.prefix && networkOf(inner.address, outer.prefix).address === outer.address
  )
}

/** Whether they share an address: of two networks that do, one contains the other. */
export function overlaps(one: Network, other: Network): boolean {
  return contains(one, other) || contains(other, one)
}

export function sameNetwork(one: Network, other: Network): boolean {
  return one.address === other.address && one.prefix === other.prefix
}

export function formatNetwork({ address, prefix }: Network): string {
  const octets = [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff)
  return `${octets.join('.')}/${prefix}`
}
