import { Failure } from '../domain/failure.ts'

/** Whatever JSON a text is, as a whole. Throws `invalid` that says `name` and the place. */
export function parseJsonText(text: string, name: string): unknown {
  try {
    return JSON.parse(text.replace(/^\ufeff/, ''))
  } catch (error) {
    // Only the place: the parser quotes what stands there, which may be a secret in a wrong file.
    const [place = ''] = / at position \d+( \(line \d+ column \d+\))?/.exec(String(error)) ?? []
    throw new Failure('invalid', `${name} is no JSON${place}`)
  }
}
