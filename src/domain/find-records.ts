import { INFO, SUBJECT } from './matrix-layout.ts'
import { hashPacked, hashText, packed, packUuid } from './subject-id.ts'

/** What a look-up reads of a matrix. */
type SubjectTables = {
  readonly subjects: Int32Array
  readonly buckets: Uint32Array
  readonly bucketShift: number
  text(index: number): string
}

/** Where the subject's record begins in `matrix.subjects`, or -1. Ids compare byte for byte. */
export function findRecord(matrix: SubjectTables, id: string): number {
  if (!packUuid(id)) return findTextRecord(matrix, id)
  return findPackedRecord(matrix, hashPacked() >>> matrix.bucketShift)
}

/** {@link findRecord} for the id in `packed`, whose bucket is known. */
export function findPackedRecord(matrix: SubjectTables, bucket: number): number {
  const { subjects, buckets } = matrix
  const end = buckets[bucket + 1] as number
  for (let record = buckets[bucket] as number; record < end;) {
    const info = subjects[record + SUBJECT.info] as number
    if (
      subjects[record] === packed[0] &&
      subjects[record + 1] === packed[1] &&
      subjects[record + 2] === packed[2] &&
      subjects[record + 3] === packed[3] &&
      (info & INFO.textId) === 0
    ) {
      return record
    }
    record += SUBJECT.assignments + (info & INFO.countMask)
  }
  return -1
}

function findTextRecord(matrix: SubjectTables, id: string): number {
  const { subjects, buckets } = matrix
  const hash = hashText(id)
  const bucket = hash >>> matrix.bucketShift
  const end = buckets[bucket + 1] as number
  for (let record = buckets[bucket] as number; record < end;) {
    const info = subjects[record + SUBJECT.info] as number
    const alike = (info & INFO.textId) !== 0 && subjects[record] === (hash | 0)
    if (alike && matrix.text(subjects[record + 1] as number) === id) return record
    record += SUBJECT.assignments + (info & INFO.countMask)
  }
  return -1
}

const NO_BUCKET = 0xffff_ffff

/** Keeps the loads that fill it from being optimised away; its value means nothing. */
let touched = 0

/**
 * {@link findRecord} for many ids. A big matrix does not fit into a cache, and one look-up after the
 * other waits for memory each time; here all of them ask for their memory first, and wait together.
 */
export function findRecords(matrix: SubjectTables, ids: readonly string[]): Int32Array {
  const { buckets, subjects, bucketShift } = matrix
  const found = new Int32Array(ids.length)
  const words = new Int32Array(ids.length * 4)
  const bucketOf = new Uint32Array(ids.length).fill(NO_BUCKET)
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i] as string
    if (packUuid(id)) {
      // One by one: `set` would cost more than the four of them.
      for (let word = 0; word < 4; word++) words[i * 4 + word] = packed[word] as number
      bucketOf[i] = hashPacked() >>> bucketShift
    } else found[i] = findTextRecord(matrix, id)
  }
  for (const bucket of bucketOf) touched ^= subjects[buckets[bucket] ?? 0] ?? 0
  for (let i = 0; i < ids.length; i++) {
    const bucket = bucketOf[i] as number
    if (bucket === NO_BUCKET) continue
    for (let word = 0; word < 4; word++) packed[word] = words[i * 4 + word] as number
    found[i] = findPackedRecord(matrix, bucket)
  }
  return found
}
