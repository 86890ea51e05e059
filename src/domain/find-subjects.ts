import { SUBJECT } from './matrix-layout.ts'
import type { Matrix } from './matrix.ts'
import { hashPacked, packed, packUuid } from './subject-id.ts'

const NO_BUCKET = 0xffff_ffff

/** Keeps the loads that fill it from being optimised away; its value means nothing. */
let touched = 0

/**
 * `matrix.findSubject` for many ids. A big matrix does not fit into a cache, and one look-up after
 * the other waits for memory each time; here all of them ask for their memory first, and wait
 * together. The same for what a check reads next, the subjects' assignments.
 */
export function findSubjects(matrix: Matrix, ids: readonly string[]): Int32Array {
  const { buckets, subjects, assignments, bucketShift } = matrix
  const found = new Int32Array(ids.length)
  const words = new Uint32Array(ids.length * 4)
  const bucketOf = new Uint32Array(ids.length).fill(NO_BUCKET)
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i] as string
    if (packUuid(id)) {
      // One by one: `set` would cost more than the four of them.
      for (let word = 0; word < 4; word++) words[i * 4 + word] = packed[word] as number
      bucketOf[i] = hashPacked() >>> bucketShift
    } else found[i] = matrix.findSubject(id)
  }
  for (const bucket of bucketOf) {
    touched ^= subjects[(buckets[bucket] ?? 0) * SUBJECT.words] ?? 0
  }
  for (let i = 0; i < ids.length; i++) {
    const bucket = bucketOf[i] as number
    if (bucket === NO_BUCKET) continue
    const at = i * 4
    found[i] = matrix.findPacked(
      bucket,
      words[at] as number,
      words[at + 1] as number,
      words[at + 2] as number,
      words[at + 3] as number,
    )
  }
  for (const subject of found) {
    touched ^= assignments[subjects[subject * SUBJECT.words + SUBJECT.start] ?? 0] ?? 0
  }
  return found
}
