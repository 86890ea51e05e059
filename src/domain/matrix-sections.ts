import { Failure } from './failure.ts'
import { HEADER, HEADER_BYTES, SECTIONS, SECTION_TABLE } from './matrix-layout.ts'
import type { Section } from './matrix-layout.ts'

/** Where a section begins and how long it is, in bytes. Throws `invalid` when it cannot be so. */
export function sectionExtent(
  header: Uint32Array,
  section: Section,
): [start: number, bytes: number] {
  const at = SECTION_TABLE + SECTIONS.indexOf(section) * 2
  const [start, bytes] = [header[at] ?? 0, header[at + 1] ?? 0]
  const inside =
    start >= HEADER_BYTES && start % 8 === 0 && start + bytes <= (header[HEADER.byteLength] ?? 0)
  if (!inside || (section !== 'text' && bytes % 4 !== 0)) {
    throw new Failure('invalid', `a matrix with damaged ${section}`)
  }
  return [start, bytes]
}

/** A look-up trusts the table of buckets with how far it reads: throws `invalid` when it must not. */
export function checkBuckets(buckets: Uint32Array, shift: number, subjects: number): void {
  let sound = buckets.length === 2 ** (32 - shift) + 1
  sound &&= buckets[0] === 0 && buckets[buckets.length - 1] === subjects
  for (let i = 1; sound && i < buckets.length; i++) {
    sound = (buckets[i] as number) >= (buckets[i - 1] as number)
  }
  if (!sound) throw new Failure('invalid', 'a matrix with damaged buckets')
}
