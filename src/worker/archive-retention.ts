/** One archived matrix, by its file. `archivedAt` is epoch milliseconds. */
export type Archived = {
  readonly name: string
  readonly archivedAt: number
  readonly revision: number
  readonly contentHash: string
  readonly bytes: number
}

export type RetentionRule = {
  /** Days that the last of each day is kept; 0 for ever. */
  readonly retentionDays: number
  readonly maxBytes: number
}

/** All of this time are kept. */
const RECENT_MS = 48 * 60 * 60_000
const DAY_MS = 86_400_000

/**
 * What is to go: beyond 48 hours all but the last of each day (UTC), what is older than retention,
 * and then the oldest until the rest fits. The newest always stays. `archives` are oldest first.
 */
export function expiredArchives(
  archives: readonly Archived[],
  rule: RetentionRule,
  now: number,
): Archived[] {
  const lastOfDay = new Map(archives.map((archive) => [dayOf(archive), archive]))
  const newest = archives.at(-1)
  const oldest = rule.retentionDays === 0 ? -Infinity : now - rule.retentionDays * DAY_MS
  const kept: Archived[] = []
  const expired: Archived[] = []
  for (const archive of archives) {
    const recent = archive.archivedAt > now - RECENT_MS
    const daily = lastOfDay.get(dayOf(archive)) === archive
    const stays = archive.archivedAt >= oldest && (recent || daily)
    if (stays || archive === newest) kept.push(archive)
    else expired.push(archive)
  }
  let total = kept.reduce((sum, { bytes }) => sum + bytes, 0)
  for (const archive of kept) {
    if (total <= rule.maxBytes || archive === newest) break
    total -= archive.bytes
    expired.push(archive)
  }
  return expired
}

function dayOf({ archivedAt }: Archived): number {
  return Math.floor(archivedAt / DAY_MS)
}
