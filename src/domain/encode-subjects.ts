import type { WordLists } from './encode-assignments.ts'
import type { SubjectFact } from './facts.ts'
import { Failure } from './failure.ts'
import { INFO, SUBJECT } from './matrix-layout.ts'
import { compareText } from './role-permissions.ts'
import { hashPacked, hashText, packed, packUuid } from './subject-id.ts'
import type { TextTableBuilder } from './text-table.ts'

const STATE_NUMBER = { active: 0, inactive: 1, deleted: 2 } as const

export type EncodedSubjects = {
  readonly records: Int32Array
  /** Where the record of each subject begins. */
  readonly starts: Uint32Array
  readonly buckets: Uint32Array
  readonly bucketShift: number
  /** Text number of the first subject's name; name and email of the others follow in pairs. */
  readonly firstText: number
}

/** Subjects in the order of their records: by bucket, and by id where two hashes are equal. */
export function orderByHash(subjects: readonly SubjectFact[]): SubjectFact[] {
  const hashed = subjects.map((subject) => ({ subject, hash: hashSubjectId(subject.id) }))
  hashed.sort((a, b) => a.hash - b.hash || compareText(a.subject.id, b.subject.id))
  return hashed.map(({ subject }) => subject)
}

/** The records of subjects that stand in order of hash. Throws when one has too many grants. */
export function encodeSubjects(
  subjects: readonly SubjectFact[],
  assignments: WordLists,
  texts: TextTableBuilder,
): EncodedSubjects {
  const { words, starts: firsts } = assignments
  const records = new Int32Array(subjects.length * SUBJECT.assignments + words.length)
  const starts = new Uint32Array(subjects.length)
  const bucketShift = 32 - bucketBits(subjects.length)
  const buckets = new Uint32Array(2 ** (32 - bucketShift) + 1)
  for (const [index, subject] of subjects.entries()) {
    const first = firsts[index] ?? 0
    const count = (firsts[index + 1] ?? first) - first
    const at = index * SUBJECT.assignments + first
    starts[index] = at
    encodeId(subject.id, records, at, texts)
    if (count > INFO.countMask) {
      throw new Failure('upstream-broken', `${subject.id} has ${count} grants and groups`)
    }
    records[at + SUBJECT.info] =
      (records[at + SUBJECT.info] ?? 0) |
      count |
      // A state that is none of ours must never read as active.
      ((STATE_NUMBER[subject.state] ?? STATE_NUMBER.deleted) << INFO.stateShift) |
      (subject.kind === 'client' ? INFO.client : 0)
    for (let i = 0; i < count; i++) {
      records[at + SUBJECT.assignments + i] = words[first + i] ?? 0
    }
    const bucket = hashSubjectId(subject.id) >>> bucketShift
    buckets[bucket + 1] = (buckets[bucket + 1] ?? 0) + SUBJECT.assignments + count
  }
  // Lengths become ends, and each end is where the next bucket begins.
  for (let i = 1; i < buckets.length; i++) buckets[i] = (buckets[i] ?? 0) + (buckets[i - 1] ?? 0)
  const firstText = texts.starts.length - 1
  for (const subject of subjects) {
    texts.append(subject.name)
    texts.append(subject.email)
  }
  return { records, starts, buckets, bucketShift, firstText }
}

/** At most one subject a bucket on average: a second one is often on a cache line of its own. */
function bucketBits(subjects: number): number {
  let bits = 1
  while (2 ** bits < subjects) bits += 1
  return bits
}

function hashSubjectId(id: string): number {
  return packUuid(id) ? hashPacked() : hashText(id)
}

function encodeId(id: string, records: Int32Array, at: number, texts: TextTableBuilder): void {
  if (packUuid(id)) {
    records.set(packed, at)
    return
  }
  records[at] = hashText(id)
  records[at + 1] = texts.intern(id)
  records[at + SUBJECT.info] = INFO.textId
}
