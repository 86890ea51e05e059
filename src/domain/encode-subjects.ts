import type { Assignments } from './encode-assignments.ts'
import type { SubjectFact } from './facts.ts'
import { Failure } from './failure.ts'
import { INFO, SUBJECT } from './matrix-layout.ts'
import { hashPacked, hashText, packed, packUuid } from './subject-id.ts'
import type { TextTableBuilder } from './text-table.ts'

const STATE_NUMBER = { active: 0, inactive: 1, deleted: 2 } as const

export type EncodedSubjects = {
  readonly records: Uint32Array
  readonly slots: Uint32Array
  /** Text number of the first subject's name; name and email of the others follow in pairs. */
  readonly firstText: number
}

/** The subjects' records and the hash table over their ids. Throws when one has too many grants. */
export function encodeSubjects(
  subjects: readonly SubjectFact[],
  assignments: Assignments,
  texts: TextTableBuilder,
): EncodedSubjects {
  const records = new Uint32Array(subjects.length * SUBJECT.words)
  const slots = new Uint32Array(slotCount(subjects.length))
  for (const [index, subject] of subjects.entries()) {
    const at = index * SUBJECT.words
    const hash = encodeId(subject.id, records, at, texts)
    const count = assignments.counts[index] ?? 0
    if (count > INFO.countMask) {
      throw new Failure('upstream-broken', `${subject.id} has ${count} grants and groups`)
    }
    records[at + SUBJECT.start] = assignments.starts[index] ?? 0
    records[at + SUBJECT.info] =
      (records[at + SUBJECT.info] ?? 0) |
      count |
      // A state that is none of ours must never read as active.
      ((STATE_NUMBER[subject.state] ?? STATE_NUMBER.deleted) << INFO.stateShift) |
      (subject.kind === 'client' ? INFO.client : 0)
    claimSlot(slots, hash, index)
  }
  const firstText = texts.starts.length - 1
  for (const subject of subjects) {
    texts.append(subject.name)
    texts.append(subject.email)
  }
  return { records, slots, firstText }
}

/** A power of two that leaves at least 45 slots in 100 empty, so that probes stay short. */
function slotCount(subjects: number): number {
  let count = 16
  while (count * 0.55 < subjects) count *= 2
  return count
}

function encodeId(id: string, records: Uint32Array, at: number, texts: TextTableBuilder): number {
  if (packUuid(id)) {
    records.set(packed, at)
    return hashPacked()
  }
  const hash = hashText(id)
  records[at] = hash
  records[at + 1] = texts.intern(id)
  records[at + SUBJECT.info] = INFO.textId
  return hash
}

function claimSlot(slots: Uint32Array, hash: number, index: number): void {
  const mask = slots.length - 1
  let slot = hash & mask
  while (slots[slot] !== 0) slot = (slot + 1) & mask
  slots[slot] = index + 1
}
