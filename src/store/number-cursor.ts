import { Failure } from '../domain/failure.ts'

/** Where a listing, newest first, goes on: below this number. */
export function writeCursor(number: number): string {
  return Buffer.from(`before ${number}`).toString('base64url')
}

/** Throws `invalid` for what is no cursor. */
export function readCursor(cursor: string): number {
  const [, digits] = /^before (\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? []
  const number = Number(digits)
  if (digits === undefined || writeCursor(number) !== cursor) {
    throw new Failure('invalid', 'the cursor was not given out by this service', {
      field: 'cursor',
    })
  }
  return number
}
