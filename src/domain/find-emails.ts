import { HEADER, HEADER_BYTES } from './matrix-layout.ts'
import { sectionExtent } from './matrix-sections.ts'
import type { Matrix } from './matrix.ts'

/** The form in which emails are compared: without case. */
export function foldEmail(email: string): string {
  return email.toLowerCase()
}

/** Subjects from one index to another, which is left out. */
type Stretch = { readonly from: number; readonly to: number }

/** Folded emails that somebody has → the subjects that have them. */
export type EmailOwners = ReadonlyMap<string, readonly number[]>

/** Subjects looked at in one turn: a few milliseconds. */
const TURN = 10_000

/**
 * Whom an email means of those who have it: an address outlives its deleted user and may be given to
 * another, so the living come first, and the deleted count only where nobody else has it.
 */
export function ownersOf(matrix: Matrix, subjects: readonly number[]): readonly number[] {
  const living = subjects.filter((index) => matrix.subject(index).state !== 'deleted')
  return living.length > 0 ? living : subjects
}

/** {@link findEmails} in turns of a few milliseconds; `pause` comes between them. */
export async function findEmailsInTurns(
  matrix: Matrix,
  wanted: ReadonlySet<string>,
  pause: () => Promise<void>,
): Promise<EmailOwners> {
  const found = new Map<string, number[]>()
  if (wanted.size === 0) return found
  for (let from = 0; from < matrix.subjectCount; from += TURN) {
    if (from > 0) await pause()
    for (const [email, owners] of findEmails(matrix, wanted, { from, to: from + TURN })) {
      found.set(email, [...(found.get(email) ?? []), ...owners])
    }
  }
  return found
}

/**
 * Users by email: each of the folded emails that somebody has → the subjects that have it. Looks
 * through all subjects, a hundred thousand of them in tens of milliseconds: an email is made a string
 * only when its bytes look like one of those wanted. A stretch of them can be looked through alone.
 */
export function findEmails(
  matrix: Matrix,
  wanted: ReadonlySet<string>,
  { from, to }: Stretch = { from: 0, to: matrix.subjectCount },
): Map<string, number[]> {
  const found = new Map<string, number[]>()
  const encoder = new TextEncoder()
  const hashes = new Set<number>()
  for (const email of wanted) {
    const bytes = encoder.encode(email)
    hashes.add(hashFolded(bytes, 0, bytes.length))
  }
  if (hashes.size === 0) return found
  const header = new Uint32Array(matrix.buffer, 0, HEADER_BYTES / 4)
  const [start, length] = sectionExtent(header, 'text')
  const text = new Uint8Array(matrix.buffer, start, length)
  const [startsAt, startsLength] = sectionExtent(header, 'textStarts')
  const starts = new Uint32Array(matrix.buffer, startsAt, startsLength / 4)
  // Name and email of the subjects follow each other in pairs.
  const firstEmail = (header[HEADER.firstSubjectText] as number) + 1
  for (let index = from; index < Math.min(to, matrix.subjectCount); index++) {
    const at = firstEmail + index * 2
    if (!hashes.has(hashFolded(text, starts[at] as number, starts[at + 1] as number))) continue
    const { email, kind } = matrix.subject(index)
    const folded = foldEmail(email)
    if (kind !== 'user' || !wanted.has(folded)) continue
    const others = found.get(folded)
    if (others === undefined) found.set(folded, [index])
    else others.push(index)
  }
  return found
}

/** The same for texts that differ in the case of their letters; other than ASCII is left out. */
function hashFolded(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number
    if (byte >= 0x80) continue
    const upper = byte >= 0x41 && byte <= 0x5a
    hash = Math.imul(hash ^ (upper ? byte + 0x20 : byte), 0x01000193)
  }
  return hash
}
