/** Networks by enumeration of bits, slow and plain: what the arithmetic is compared with. */

/** The 32 bits of `a.b.c.d` as a text of zeros and ones. */
function bitsOf(address: string): string {
  return address
    .split('.')
    .map((octet) => Number(octet).toString(2).padStart(8, '0'))
    .join('')
}

function addressOf(bits: string): string {
  const octets = [0, 8, 16, 24].map((start) => Number.parseInt(bits.slice(start, start + 8), 2))
  return octets.join('.')
}

function split(network: string): { bits: string; prefix: number } {
  const [address = '', prefix = ''] = network.split('/')
  return { bits: bitsOf(address), prefix: Number(prefix) }
}

/** The network that an address with a prefix lies in. */
export function naiveNetwork(text: string): string {
  const { bits, prefix } = split(text)
  return `${addressOf(bits.slice(0, prefix).padEnd(32, '0'))}/${prefix}`
}

/** Lowest and highest address, as numbers that do not wrap. */
function rangeOf(network: string): readonly [bigint, bigint] {
  const { bits, prefix } = split(network)
  const front = bits.slice(0, prefix)
  return [BigInt(`0b${front.padEnd(32, '0')}`), BigInt(`0b${front.padEnd(32, '1')}`)]
}

export function naiveContains(outer: string, inner: string): boolean {
  const [low, high] = rangeOf(outer)
  const [innerLow, innerHigh] = rangeOf(inner)
  return low <= innerLow && innerHigh <= high
}

export function naiveOverlaps(one: string, other: string): boolean {
  const [low, high] = rangeOf(one)
  const [otherLow, otherHigh] = rangeOf(other)
  return low <= otherHigh && otherLow <= high
}
