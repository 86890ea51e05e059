/**
 * Seconds that a `Retry-After` header asks for, given in seconds or as an HTTP date; undefined when
 * it is neither, or absent.
 *
 * @param now epoch milliseconds
 */
export function retryAfterSeconds(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined
  const text = header.trim()
  if (/^\d{1,9}$/.test(text)) return Number(text)
  const date = Date.parse(text)
  // `Date.parse` takes bare numbers for years; an HTTP date begins with a weekday.
  if (Number.isNaN(date) || !/^[A-Za-z]{3}/.test(text)) return undefined
  return Math.max(0, Math.ceil((date - now) / 1_000))
}
