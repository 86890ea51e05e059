import type { AuditTrail, ChainHead } from '../domain/audit.ts'

/** The trail as far as a head covers it: what was recorded later is not told. */
export function coveredTrail(
  audit: Pick<AuditTrail, 'stream'>,
  { count }: ChainHead,
): Pick<AuditTrail, 'stream'> {
  return {
    async *stream(filter) {
      for await (const entry of audit.stream(filter)) {
        if (entry.sequence > count) return
        yield entry
      }
    },
  }
}
