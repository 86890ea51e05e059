import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { measureAudit } from './audit.ts'
import { measureAuthzen } from './authzen.ts'
import { measureHttp } from './http.ts'
import { OTHER_CORE, pinning } from './processes.ts'
import { measureRebuild } from './rebuild.ts'
import { measureRoleChanges } from './role-changes.ts'
import { measureSimulation } from './simulation.ts'
import { measureStart } from './start.ts'
import { writeFigures } from './write-figures.ts'

/**
 * `npm run bench [-- matrix http authzen start rebuild simulation audit role-changes]`: measures what is
 * named, or all, prints a table and writes it to `bench/results/latest.json` and into the README;
 * figures of parts that were not run stay as they were. Every figure that has a goal is a bound, or a
 * ratio of two things measured side by side within one part.
 */

type Figure = {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** `>= 0.85`, `<= 20`: absent where nothing was promised. */
  readonly goal?: string
}

const PARTS: Record<string, () => Promise<Figure[]>> = {
  matrix: async () => measureMatrix(),
  http: httpFigures,
  authzen: authzenFigures,
  start: startFigures,
  rebuild: rebuildFigures,
  simulation: async () => simulationFigures(),
  audit: auditFigures,
  'role-changes': roleChangeFigures,
}

type MatrixReport = {
  readonly bytes: number
  readonly buildSeconds: number
  readonly mapBytes?: number
  readonly nanoseconds: { readonly matrix: number; readonly divided: number }
  readonly faster: { readonly matrix: number; readonly divided: number }
}

function runMatrix(users: number, withMap: boolean): MatrixReport {
  const file = join(import.meta.dirname, 'matrix.ts')
  // The Map fills a gigabyte of heap: nothing of its collection is to run beside what is measured.
  const gc = ['--expose-gc', '--single-threaded-gc', '--max-semi-space-size=64']
  const flags = [...gc, '--max-old-space-size=12000', file, String(users)]
  const command = [process.execPath, ...flags, ...(withMap ? ['map'] : [])]
  const pinned = pinning ? ['taskset', '-c', String(OTHER_CORE), ...command] : command
  const [program = '', ...args] = pinned
  return JSON.parse(execFileSync(program, args, { encoding: 'utf8' })) as MatrixReport
}

function measureMatrix(): Figure[] {
  const small = runMatrix(1_000, false)
  const full = runMatrix(100_000, true)
  const large = runMatrix(1_000_000, false)
  const { matrix, divided } = full.nanoseconds
  const mebibyte = 1024 * 1024
  return [
    { name: 'check in process, 100,000 users', value: matrix, unit: 'ns' },
    { name: 'check in process with a division', value: divided, unit: 'ns' },
    { name: 'speed against Map of Sets', value: full.faster.matrix, unit: '×', goal: '>= 5' },
    { name: 'the same with a division', value: full.faster.divided, unit: '×' },
    { name: 'matrix in memory', value: full.bytes / mebibyte, unit: 'MiB', goal: '<= 16' },
    {
      name: 'memory of the Map',
      value: (full.mapBytes ?? NaN) / full.bytes,
      unit: '×',
      goal: '>= 40',
    },
    {
      name: 'slower from 1,000 to 100,000 users',
      value: matrix / small.nanoseconds.matrix,
      unit: '×',
      goal: '<= 2.5',
    },
    {
      name: 'slower from 1,000 to 1,000,000 users',
      value: large.nanoseconds.matrix / small.nanoseconds.matrix,
      unit: '×',
      goal: '<= 4',
    },
    { name: 'building the matrix, 100,000 users', value: full.buildSeconds, unit: 's' },
  ]
}

async function httpFigures(): Promise<Figure[]> {
  const figures = await measureHttp()
  const { bare, single, singleToBare, batchFullToSingle, batchCompactToSingle } = figures
  return [
    { name: 'bare Fastify route', value: bare, unit: 'requests/s' },
    { name: 'single checks', value: single, unit: 'checks/s' },
    {
      name: 'single checks against the bare route',
      value: singleToBare,
      unit: '×',
      goal: '>= 0.85',
    },
    {
      name: 'batch of 1,000, full form, against single',
      value: batchFullToSingle,
      unit: '×',
      goal: '>= 20',
    },
    {
      name: 'batch of 1,000, compact form, against single',
      value: batchCompactToSingle,
      unit: '×',
      goal: '>= 60',
    },
  ]
}

async function authzenFigures(): Promise<Figure[]> {
  const figures = await measureAuthzen()
  return [
    { name: 'AuthZEN evaluations', value: figures.evaluation, unit: 'requests/s' },
    {
      name: 'AuthZEN evaluation against single checks',
      value: figures.evaluationToCheck,
      unit: '×',
      goal: '>= 0.8',
    },
    {
      name: 'the same without paths in the answer',
      value: figures.unexplainedToCheck,
      unit: '×',
    },
    {
      name: 'AuthZEN evaluations of 1,000 against single ones',
      value: figures.batchToEvaluation,
      unit: '×',
      goal: '>= 10',
    },
    {
      name: 'who-can over 100,000 users in process',
      value: figures.whoCanMs,
      unit: 'ms',
      goal: '<= 50',
    },
  ]
}

async function startFigures(): Promise<Figure[]> {
  const { emptyMs, fullMs } = await measureStart()
  return [
    { name: 'ready, empty organisation', value: emptyMs, unit: 'ms' },
    {
      name: 'ready, snapshot of 100,000 users',
      value: fullMs,
      unit: 'ms',
      goal: `<= ${1.5 * emptyMs + 500}`,
    },
  ]
}

async function rebuildFigures(): Promise<Figure[]> {
  const figures = await measureRebuild()
  const { requests, pages, p99Idle, p99Rebuilding } = figures
  return [
    {
      name: 'rebuild of 100,000 users at 3,000 requests a minute',
      value: figures.rebuildSeconds,
      unit: 's',
    },
    { name: 'requests beyond the pages', value: requests - pages, unit: 'requests', goal: '<= 5' },
    { name: 'p99 at 1,000 checks/s', value: p99Idle, unit: 'ms' },
    { name: 'p99 while rebuilding', value: p99Rebuilding, unit: 'ms' },
    {
      name: 'p99 while rebuilding against without',
      value: p99Rebuilding / p99Idle,
      unit: '×',
      goal: '<= 2',
    },
    { name: 'checks turned away as overloaded', value: figures.turnedAway, unit: 'checks' },
    { name: 'windows disturbed and repeated', value: figures.disturbed, unit: 'windows' },
    { name: 'event loop late at most, idle', value: figures.lateIdleMs, unit: 'ms' },
    { name: 'event loop late at most, rebuilding', value: figures.lateRebuildingMs, unit: 'ms' },
    { name: 'event loop held by its own work, idle', value: figures.heldIdleMs, unit: 'ms' },
    {
      name: 'event loop held by its own work, rebuilding',
      value: figures.heldRebuildingMs,
      unit: 'ms',
      goal: '<= 20',
    },
  ]
}

function simulationFigures(): Figure[] {
  const { users, milliseconds } = measureSimulation()
  return [
    { name: 'users affected by the edited role', value: users, unit: 'users', goal: '>= 20000' },
    {
      name: 'simulation of one edited role, 100,000 users',
      value: milliseconds,
      unit: 'ms',
      goal: '<= 1000',
    },
  ]
}

async function auditFigures(): Promise<Figure[]> {
  const { diskSyncs, sqlite, postgres } = await measureAudit()
  const unit = 'appends/s'
  return [
    { name: 'pages that the disk confirms, one by one', value: diskSyncs, unit: 'pages/s' },
    { name: 'audit, SQLite, one after the other', value: sqlite.alone, unit },
    { name: 'audit, SQLite, 64 at once', value: sqlite.together, unit },
    { name: 'audit, PostgreSQL, one after the other', value: postgres.alone, unit },
    { name: 'audit, PostgreSQL, 64 at once', value: postgres.together, unit },
  ]
}

async function roleChangeFigures(): Promise<Figure[]> {
  const { seconds, leastSeconds, requests, neededRequests } = await measureRoleChanges()
  return [
    { name: 'roles of 200 users, at 1,000 requests a minute', value: seconds, unit: 's' },
    {
      name: 'against the least that the limit allows',
      value: seconds / leastSeconds,
      unit: '×',
      goal: '<= 1.3',
    },
    {
      name: 'requests beyond two reads and one write a user',
      value: requests - neededRequests,
      unit: 'requests',
      goal: '<= 5',
    },
  ]
}

function reached({ value, goal }: Figure): boolean | undefined {
  const match = goal === undefined ? null : /^(<=|>=) (.+)$/.exec(goal)
  if (!match) return undefined
  const limit = Number(match[2])
  return match[1] === '<=' ? value <= limit : value >= limit
}

function printTable(figures: readonly Figure[]): void {
  for (const figure of figures) {
    const mark = { true: 'reached', false: 'MISSED', undefined: '' }[String(reached(figure))] ?? ''
    const value = figure.value.toLocaleString('en', { maximumSignificantDigits: 4 })
    const cells = [figure.name.padEnd(52), value.padStart(10), figure.unit.padEnd(11)]
    console.log(`${cells.join(' ')} ${(figure.goal ?? '').padEnd(12)} ${mark}`)
  }
}

const asked = process.argv.slice(2)
const names = asked.length > 0 ? asked : Object.keys(PARTS)
const figures: Figure[] = []
for (const name of names) {
  const measure = PARTS[name]
  if (!measure)
    throw new Error(`nothing to measure is called ${name}: ${Object.keys(PARTS).join(', ')}`)
  const found = await measure()
  printTable(found)
  figures.push(...found)
}
const folder = join(import.meta.dirname, 'results')
const file = join(folder, 'latest.json')
mkdirSync(folder, { recursive: true })
const report = {
  takenAt: new Date().toISOString(),
  node: process.version,
  cpu: cpus()[0]?.model,
  pinned: pinning,
  figures: figures.map((figure) => ({ ...figure, reached: reached(figure) })),
}
writeFileSync(
  file,
  `${JSON.stringify(asked.length === 0 ? report : mergeReport(report), null, 2)}\n`,
)
writeFigures()

/** The last report with the figures of this run in the place of the same ones, new ones last. */
function mergeReport(partial: typeof report): typeof report {
  const last = JSON.parse(readFileSync(file, 'utf8')) as typeof report
  const measured = new Map(partial.figures.map((figure) => [figure.name, figure]))
  const known = new Set(last.figures.map((figure) => figure.name))
  const added = partial.figures.filter((figure) => !known.has(figure.name))
  const kept = last.figures.map((old) => measured.get(old.name) ?? old)
  return { ...partial, figures: [...kept, ...added] }
}
