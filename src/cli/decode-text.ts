import { isUtf8 } from 'node:buffer'
import { Failure } from '../domain/failure.ts'

const ADVICE = 'save it as UTF-8; spreadsheets call that "CSV UTF-8"'
const LINE_FEED = 0x0a

/**
 * Bytes of a file as text. Other encodings are refused, never guessed: what is decoded wrongly would
 * be written to the platform as other names. Throws `invalid` with the first line at fault.
 */
export function decodeText(bytes: Buffer, name: string): string {
  const [first, second] = bytes
  const marked = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)
  if (marked || bytes.includes(0)) throw new Failure('invalid', `${name} is UTF-16: ${ADVICE}`)
  if (isUtf8(bytes)) return bytes.toString()
  throw new Failure('invalid', `line ${wrongLine(bytes)} of ${name} is not UTF-8: ${ADVICE}`)
}

/** No byte of a longer sign is a line feed: every line can be looked at alone. */
function wrongLine(bytes: Buffer): number {
  let line = 1
  for (let from = 0; from < bytes.length; line++) {
    const found = bytes.indexOf(LINE_FEED, from)
    const to = found < 0 ? bytes.length : found + 1
    if (!isUtf8(bytes.subarray(from, to))) break
    from = to
  }
  return line
}
