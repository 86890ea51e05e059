/** Numbers that look random and are the same for the same seed. */
export interface Random {
  /** From 0 up to, not including, 1. */
  next(): number
  /** From 0 up to, not including, the bound. */
  below(bound: number): number
  chance(probability: number): boolean
  pick<T>(items: readonly T[]): T
  /** Lowercase, of version 4. */
  uuid(): string
}

/** A hash of the text, to give each label a stream of its own (FNV-1a). */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  }
  return value >>> 0
}

/** sfc32: 128 bits of state, fast, and good enough for a made-up organisation. */
function sfc32(seed: number, stream: number): () => number {
  let [a, b, c, counter] = [seed | 0, stream | 0, 0x9e3779b9 | 0, 1]
  const step = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return sum >>> 0
  }
  for (let round = 0; round < 15; round += 1) step()
  return step
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0')
}

/** Streams of one seed under different labels do not disturb each other. */
export function createRandom(seed: number, label: string): Random {
  const step = sfc32(seed, hash(label))
  const next = (): number => step() / 0x1_0000_0000
  const below = (bound: number): number => Math.floor(next() * bound)
  return {
    next,
    below,
    chance: (probability) => next() < probability,
    pick<T>(items: readonly T[]): T {
      const item = items[below(items.length)]
      if (item === undefined) throw new Error('nothing to pick from')
      return item
    },
    uuid() {
      const [first, second, third, fourth] = [hex(step()), hex(step()), hex(step()), hex(step())]
      const variant = '89ab'[Number.parseInt(third.slice(0, 1), 16) & 3]
      const middle = `${second.slice(0, 4)}-4${second.slice(5)}`
      return `${first}-${middle}-${variant}${third.slice(1, 4)}-${third.slice(4)}${fourth}`
    },
  }
}

/** Picks indices with the odds of their weights. */
export function weightedIndex(weights: readonly number[]): (random: Random) => number {
  const sums: number[] = []
  let total = 0
  for (const weight of weights) {
    total += weight
    sums.push(total)
  }
  return (random) => {
    const wanted = random.next() * total
    let [low, high] = [0, sums.length - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((sums[middle] ?? 0) > wanted) high = middle
      else low = middle + 1
    }
    return low
  }
}
