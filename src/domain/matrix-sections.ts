import { Failure } from './failure.ts'
import { HEADER, HEADER_BYTES, INFO, SECTIONS, SECTION_TABLE, SUBJECT } from './matrix-layout.ts'
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

/** Where subjects stand: `starts` of each, and of the buckets that a look-up goes by. */
type SubjectTables = {
  readonly subjects: Int32Array
  readonly subjectStarts: Uint32Array
  readonly buckets: Uint32Array
  readonly bucketShift: number
}

/**
 * A look-up trusts these with where records begin and how far it reads: throws `invalid` unless one
 * record follows the other to the last word and every bucket begins where a record does.
 */
export function checkSubjects(tables: SubjectTables, count: number): void {
  const { subjects, subjectStarts, buckets, bucketShift } = tables
  let sound = subjectStarts.length === count && buckets.length === 2 ** (32 - bucketShift) + 1
  let bucket = 0
  let start = 0
  for (let index = 0; sound && index < count; index++) {
    while (buckets[bucket] === start) bucket += 1
    sound = subjectStarts[index] === start
    const info = subjects[start + SUBJECT.info] ?? 0
    start += SUBJECT.assignments + (info & INFO.countMask)
  }
  sound &&= start === subjects.length
  while (buckets[bucket] === start) bucket += 1
  if (!sound || bucket !== buckets.length) {
    throw new Failure('invalid', 'a matrix with damaged subjects')
  }
}
