import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AuditTrail, NewAuditEntry } from '../src/domain/audit.ts'
import { Secret } from '../src/domain/secret.ts'
import { createLogger } from '../src/observability/logger.ts'
import { openStore } from '../src/store/store.ts'
import type { StoreOptions } from '../src/store/store.ts'
import { startPostgresProcess } from './postgres-process.ts'

/** Each figure ends with whichever comes first. */
const MEASURE_MS = 3_000
const MAX_APPENDS = 50_000
const WARM_UP_APPENDS = 100
/** As many as wait for one another when a busy admin plane and four batches write. */
const APPENDERS = 64
const OPEN_WAIT_MS = 60_000

export type AppendRates = {
  /** Appends a second: one after the other, and by {@link APPENDERS} at once. */
  readonly alone: number
  readonly together: number
}

export type AuditFigures = {
  /** Pages of 4 KiB a second that the disk confirms one by one: what an append waits for at least. */
  readonly diskSyncs: number
  readonly sqlite: AppendRates
  readonly postgres: AppendRates
}

/**
 * Appends a second to the trail through the store as the service opens it, an append having ended
 * when it is durable: SQLite with synchronous FULL, PostgreSQL with fsync and synchronous commit, on
 * the disk of the temporary folder.
 */
export async function measureAudit(): Promise<AuditFigures> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-'))
  try {
    const diskSyncs = await syncRate(join(folder, 'synced'))
    const path = join(folder, 'bench.sqlite')
    const sqlite = await appendRates({ kind: 'sqlite', path }, join(folder, 'sqlite-head.json'))
    await using server = await startPostgresProcess()
    const postgres = await appendRates(
      { kind: 'postgres', url: new Secret(server.url) },
      join(folder, 'postgres-head.json'),
    )
    return { diskSyncs, sqlite, postgres }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function appendRates(
  database: StoreOptions['database'],
  witnessFile: string,
): Promise<AppendRates> {
  await using store = openStore({
    database,
    witnessFile,
    logger: createLogger('error'),
    now: Date.now,
    openWaitMs: OPEN_WAIT_MS,
  })
  for (let i = 0; i < WARM_UP_APPENDS; i++) await store.audit.append([entryOf(i)])
  const alone = await rateOf(1, appendTo(store.audit))
  const together = await rateOf(APPENDERS, appendTo(store.audit))
  return { alone, together }
}

function appendTo(trail: AuditTrail): (index: number) => Promise<unknown> {
  return (index) => trail.append([entryOf(index)])
}

async function syncRate(path: string): Promise<number> {
  const page = Buffer.alloc(4_096, 1)
  await using file = await open(path, 'w')
  // In place, as databases write their logs: a file that grows costs the file system a second write.
  return await rateOf(1, async () => {
    await file.write(page, 0, page.length, 0)
    await file.datasync()
  })
}

/** Acts a second that have ended, with so many actors of whom each begins anew when it has ended. */
async function rateOf(actors: number, act: (index: number) => Promise<unknown>): Promise<number> {
  const start = performance.now()
  let begun = 0
  let ended = 0
  const one = async (): Promise<void> => {
    while (begun < MAX_APPENDS && performance.now() - start < MEASURE_MS) {
      begun += 1
      await act(begun)
      ended += 1
    }
  }
  await Promise.all(Array.from({ length: actors }, one))
  return ended / ((performance.now() - start) / 1_000)
}

/** An entry of the usual kind and size: one user's role change. */
function entryOf(index: number): NewAuditEntry {
  const id = `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`
  const grants = Array.from({ length: 4 }, () => ({ roleId: id, divisionId: id }))
  const permissions = Array.from({ length: 20 }, (_, i) => `domain${i}:entity:action`)
  return {
    action: 'role_assignment_change',
    outcome: 'succeeded',
    actor: 'bench',
    requestId: id,
    userId: id,
    subjectId: id,
    before: { grants: grants.slice(1) },
    after: { grants },
    details: { addedPermissions: permissions, removedPermissions: [] },
  }
}
