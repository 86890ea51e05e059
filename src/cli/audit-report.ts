import { extname } from 'node:path'
import { Failure } from '../domain/failure.ts'
import type { ReportKind } from '../domain/report.ts'
import { EXIT } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import { findUserId } from './find-user.ts'
import { follow } from './follow.ts'
import { claimOutputFile, writeOutputFile } from './output-file.ts'
import { reader, requireWord } from './service-answer.ts'
import type { Reader } from './service-answer.ts'
import type { ServiceClient } from './service-client.ts'
import { ServiceProblem } from './service-problem.ts'
import type { Session } from './session.ts'

export const REPORT_FORMATS = ['json', 'csv', 'html'] as const
type ReportFormat = (typeof REPORT_FORMATS)[number]

export type ReportOptions = {
  /** Of a report that was asked for before. */
  readonly id?: string
  readonly since?: string
  readonly until?: string
  readonly user?: string
  readonly actor?: string
  readonly permission?: string
  readonly at?: string
  readonly format?: ReportFormat
  readonly out?: string
}

const PATH = '/admin/v1/audit/reports'
const STATES = ['running', 'succeeded', 'failed'] as const
/** A report of millions of entries is sent as it is written. */
const LEAST_TIMEOUT_MS = 10 * 60_000

type Report = {
  readonly id: string
  readonly state: (typeof STATES)[number]
  readonly progress: { readonly done: number; readonly total: number }
  readonly error?: string
}

const readMembers = reader({ id: 'string', state: 'string', progress: 'object', error: 'string?' })
const readProgress = reader({ done: 'number', total: 'number' })

const readReport: Reader<Report> = (answer, where) => {
  const report = readMembers(answer, where)
  requireWord(report.state, STATES, where)
  readProgress(report.progress, where)
  return report as unknown as Report
}

/** Has a report made, waits for it, and puts it on standard output or into a file. */
export async function makeReport(
  session: Session,
  kind: ReportKind | undefined,
  options: ReportOptions,
): Promise<ExitCode> {
  if ((kind === undefined) === (options.id === undefined)) {
    throw new Failure('invalid', 'either the kind of a report or --id is needed')
  }
  const { admin } = await session.connect(['admin'])
  const format = options.format ?? formatOf(options.out) ?? standardFormat(session)
  const { out } = options
  const file = out === undefined ? undefined : await claimOutputFile(session, out)
  const id = options.id ?? (await startReport(admin, kind, options))
  const { state, error = 'it does not say why' } = await followReport(session, admin, id)
  if (state === 'failed') throw new Failure('upstream-broken', `the report failed: ${error}`)
  const sent = { query: { format }, leastTimeoutMs: LEAST_TIMEOUT_MS }
  const pieces = admin.text(pathOf(id), sent)
  if (file === undefined) await session.output.text(pieces)
  else {
    const bytes = await writeOutputFile(file, pieces)
    await session.output.document({ id, format, file: file.path, bytes }, { columns: FILE_COLUMNS })
  }
  return EXIT.done
}

const FILE_COLUMNS = [
  { name: 'id', value: ({ id }: { readonly id: string }) => id },
  { name: 'format', value: ({ format }: { readonly format: string }) => format },
  { name: 'file', value: ({ file }: { readonly file: string }) => file },
  { name: 'bytes', value: ({ bytes }: { readonly bytes: number }) => bytes },
]

async function startReport(
  admin: ServiceClient,
  kind: ReportKind | undefined,
  { since, until, user, actor, permission, at }: ReportOptions,
): Promise<string> {
  const userId = user === undefined ? undefined : await findUserId(admin, user)
  const body = { kind, from: since, to: until, userId, actor, permission, at }
  try {
    return (await admin.post(PATH, readReport, { body })).id
  } catch (error) {
    throw inOptions(error)
  }
}

/** What members of the request are called on the command line. */
const OPTIONS: Readonly<Record<string, string>> = {
  from: '--since',
  to: '--until',
  userId: '--user',
  actor: '--actor',
  permission: '--permission',
  at: '--at',
}

function inOptions(error: unknown): unknown {
  if (!(error instanceof ServiceProblem)) return error
  const { code, message, field = '', requestId } = error
  const option = OPTIONS[field]
  if (option === undefined) return error
  return new ServiceProblem(code, `${option}: ${message}`, { field }, requestId)
}

async function followReport(session: Session, admin: ServiceClient, id: string): Promise<Report> {
  return await follow(session, {
    name: 'reports',
    read: () => admin.get(pathOf(id), readReport),
    isOver: ({ state }) => state !== 'running',
    progressOf: ({ progress }) => progress,
    advice: `the service goes on making it: permctl audit report --id ${id}`,
  })
}

function pathOf(id: string): string {
  return `${PATH}/${encodeURIComponent(id)}`
}

/** What the ending of a file's name says. */
function formatOf(path: string | undefined): ReportFormat | undefined {
  const ending = extname(path ?? '').slice(1)
  return REPORT_FORMATS.find((format) => format === ending)
}

function standardFormat({ output }: Session): ReportFormat {
  return output.format === 'csv' ? 'csv' : 'json'
}
