import { INFO, SUBJECT } from './matrix-layout.ts'
import type { Matrix } from './matrix.ts'
import { hashPacked, packed, packUuid } from './subject-id.ts'

/**
 * `matrix.findSubject` for many ids. A big matrix does not fit into a cache, and one look-up after
 * the other waits for memory each time; here all of them ask for their memory first, and wait
 * together. The same for what a check reads next, the subjects' assignments.
 */
export function findSubjects(matrix: Matrix, ids: readonly string[]): Int32Array {
  const { buckets, subjects, assignments, bucketShift } = matrix
  const found = new Int32Array(ids.length)
  const words = new Uint32Array(ids.length * 4)
  const starts = new Uint32Array(ids.length)
  const ends = new Uint32Array(ids.length)
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i] as string
    found[i] = -1
    if (!packUuid(id)) {
      found[i] = matrix.findSubject(id)
      continue
    }
    for (let word = 0; word < 4; word++) words[i * 4 + word] = packed[word] as number
    const bucket = hashPacked() >>> bucketShift
    starts[i] = buckets[bucket] as number
    ends[i] = buckets[bucket + 1] as number
  }
  for (const start of starts) touched ^= subjects[start * SUBJECT.words] ?? 0
  for (let i = 0; i < ids.length; i++) {
    const end = ends[i] as number
    for (let index = starts[i] as number; index < end; index++) {
      const at = index * SUBJECT.words
      if (
        subjects[at] === words[i * 4] &&
        subjects[at + 1] === words[i * 4 + 1] &&
        subjects[at + 2] === words[i * 4 + 2] &&
        subjects[at + 3] === words[i * 4 + 3] &&
        ((subjects[at + SUBJECT.info] as number) & INFO.textId) === 0
      ) {
        found[i] = index
        starts[i] = subjects[at + SUBJECT.start] as number
        break
      }
    }
  }
  for (const start of starts) touched ^= assignments[start] ?? 0
  return found
}

/** Written so that the loads which fill it are not optimised away; its value means nothing. */
let touched = 0
