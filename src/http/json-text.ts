/** Of what is written as JSON before it is sent: nothing serialises it again. */
export const JSON_TYPE = 'application/json; charset=utf-8'

const FIRST_PRINTABLE = 0x20
const QUOTE = 0x22
const BACKSLASH = 0x5c
const DELETE = 0x7f

/**
 * Whether a text stands between quotes in JSON just as it is, one byte for each character. Ids and
 * permission codes nearly always do, and looking costs less than escaping and measuring.
 */
export function isPlain(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < FIRST_PRINTABLE || unit === QUOTE || unit === BACKSLASH || unit >= DELETE) {
      return false
    }
  }
  return true
}
