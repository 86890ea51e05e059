import { createHash } from 'node:crypto'
import { Failure } from '../domain/failure.ts'

/** Where a listing goes on: in which matrix, and at which position of it. */
export type Place = { readonly revision: number; readonly position: number }

/** What a listing was asked; a cursor is good for the same question only. */
export type ListingQuestion = readonly (string | undefined)[]

export function writeCursor(place: Place, question: ListingQuestion): string {
  const text = [place.revision, place.position, fingerprint(question)].join('.')
  return Buffer.from(text).toString('base64url')
}

/** Throws `invalid` for what is no cursor, or one of another question. */
export function readCursor(cursor: string, question: ListingQuestion): Place {
  const text = Buffer.from(cursor, 'base64url').toString('latin1')
  const [, revision, position, asked] = /^(\d{1,15})\.(\d{1,10})\.([\w-]+)$/.exec(text) ?? []
  if (asked !== fingerprint(question)) {
    const message = 'cursor is not one that this listing gave for this question'
    throw new Failure('invalid', message, { field: 'cursor' })
  }
  return { revision: Number(revision), position: Number(position) }
}

/** Not a signature: a forged position gives only what asking anew would. */
function fingerprint(question: ListingQuestion): string {
  const text = JSON.stringify(question.map((part) => part ?? null))
  return createHash('sha256').update(text).digest('base64url').slice(0, 16)
}
