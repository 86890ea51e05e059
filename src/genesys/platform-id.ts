/**
 * The platform's ids. Whatever else is asked for is nobody's: in a path it could be the word of
 * another operation (`me`, `search`), lead out of the path
 * (`..`), or be several ids.
 */
const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export function isPlatformId(text: string): boolean {
  return ID.test(text)
}
