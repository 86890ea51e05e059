import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FULL_SIZE, generateFacts } from './organization.ts'
import { median, stopProcess } from './processes.ts'
import { placeSnapshot, startServiceProcess } from './service-process.ts'

const ROUNDS = 5

export type StartFigures = {
  /** Milliseconds from starting the process to `/health/ready` 200, medians of alternating runs. */
  readonly emptyMs: number
  readonly fullMs: number
}

/** How long a start takes from a snapshot of 100,000 users, against one of an empty organisation. */
export async function measureStart(): Promise<StartFigures> {
  const folders = {
    emptyMs: await mkdtemp(join(tmpdir(), 'bench-')),
    fullMs: await mkdtemp(join(tmpdir(), 'bench-')),
  }
  await placeSnapshot(folders.emptyMs, { ...generateFacts(FULL_SIZE), subjects: [], groups: [] })
  await placeSnapshot(folders.fullMs, generateFacts(FULL_SIZE))
  const times = { emptyMs: [] as number[], fullMs: [] as number[] }
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of ['emptyMs', 'fullMs'] as const) {
      const service = await startServiceProcess(folders[name])
      times[name].push(service.readyMs)
      await stopProcess(service.child)
    }
  }
  for (const folder of Object.values(folders)) await rm(folder, { recursive: true, force: true })
  return { emptyMs: median(times.emptyMs), fullMs: median(times.fullMs) }
}
