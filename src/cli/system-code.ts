/** The code of the first error in the chain that has one. */
export function systemCode(error: unknown): string {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; depth++) {
    if ('code' in at && typeof at.code === 'string') return at.code
    at = at instanceof AggregateError ? (at.errors as unknown[])[0] : at.cause
  }
  return 'unknown'
}
