import { Argument, InvalidArgumentError, Option } from 'commander'
import type { Command } from 'commander'
import { AUDIT_ACTIONS, AUDIT_OUTCOMES } from '../../domain/audit.ts'
import type { AuditAction, AuditEntry, AuditOutcome, Verification } from '../../domain/audit.ts'
import { parseInstant } from '../../domain/instant.ts'
import { REPORT_KINDS } from '../../domain/report.ts'
import type { ReportKind } from '../../domain/report.ts'
import { makeReport, REPORT_FORMATS } from '../audit-report.ts'
import type { ReportOptions } from '../audit-report.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import { findUserId } from '../find-user.ts'
import { addExamples, addLimit } from '../global-options.ts'
import { reader } from '../service-answer.ts'
import type { Reader } from '../service-answer.ts'
import type { Run, Session } from '../session.ts'

/** The service gives up after ten minutes; it is to be the one that says so. */
const VERIFICATION_TIMEOUT_MS = 11 * 60_000

/** `permctl audit`: the trail, reports on it, and the proof that nobody touched it. */
export function addAudit(program: Command, run: Run): void {
  const audit = program.command('audit').description('the audit trail: entries, reports, proof')
  addExamples(audit, [
    'permctl audit list --user alice@example.com --since 2026-11-01',
    'permctl audit report changes --since 2026-11-01 --until 2026-12-01 --out november.html',
    'permctl audit verify',
  ])
  addList(audit, run)
  addReport(audit, run)
  const verify = audit
    .command('verify')
    .description('recompute the chain of the trail; exit code 1 when it is broken')
    .action(() => run(verifyTrail))
  addExamples(verify, ['permctl audit verify', 'permctl audit verify --output json | jq .broken'])
}

type ListOptions = {
  readonly since?: string
  readonly until?: string
  readonly actor?: string
  readonly user?: string
  readonly action?: AuditAction
  readonly outcome?: AuditOutcome
  readonly subject?: string
  readonly oldestFirst?: boolean
  readonly limit?: number
}

function addList(audit: Command, run: Run): void {
  const command = audit
    .command('list')
    .description('what happened, newest first')
    .option('--actor <name>', 'by whom: the name of a key, the subject of a token, or service')
    .option('--user <user>', 'about this user: id or email')
    .addOption(new Option('--action <action>', 'what was done').choices(AUDIT_ACTIONS))
    .addOption(new Option('--outcome <outcome>', 'what came of it').choices(AUDIT_OUTCOMES))
    .option('--subject <id>', 'of this batch, rebuild or report')
    .option('--oldest-first', 'in the order of time')
    .action((options: ListOptions) => run((session) => listEntries(session, options)))
  addPeriod(command)
  addLimit(command)
  addExamples(command, [
    'permctl audit list --limit 20',
    'permctl audit list --user alice@example.com --since 2026-11-01T08:00:00Z',
    'permctl audit list --action role_assignment_change --output ndjson --oldest-first > trail.ndjson',
  ])
}

function addReport(audit: Command, run: Run): void {
  const command = audit
    .command('report')
    .description('have a report made, wait for it, and take it')
    .addArgument(new Argument('[kind]', 'what is reported').choices(REPORT_KINDS))
    .option('--id <id>', 'take a report that was asked for before')
    .option('--user <user>', 'about this user: id or email')
    .option('--actor <name>', 'by whom')
    .option('--permission <permission>', 'who holds it')
    .option('--at <time>', 'at this time in the past: an instant or a date (UTC)', readTime)
    .addOption(
      new Option('--format <format>', 'default: by the ending of --out, else json').choices(
        REPORT_FORMATS,
      ),
    )
    .option('--out <file>', 'into a file (default: standard output); asks before it replaces one')
    .action((kind: ReportKind | undefined, options: ReportOptions) => {
      return run((session) => makeReport(session, kind, options))
    })
  addPeriod(command)
  addExamples(command, [
    'permctl audit report changes --since 2026-11-01 --until 2026-12-01 --out november.html',
    'permctl audit report user-history --user alice@example.com --format csv > alice.csv',
    'permctl audit report permission-holders --permission routing:queue:edit --at 2026-11-01',
    'permctl audit report conflicts --format csv',
  ])
}

function addPeriod(command: Command): void {
  command
    .option('--since <time>', 'from this instant or date (UTC) on', readTime)
    .option('--until <time>', 'before this instant or date (UTC)', readTime)
}

/** The service reads it again: this names the option in the message. */
function readTime(text: string): string {
  const instant = /^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00Z` : text
  if (parseInstant(instant) !== undefined) return text
  throw new InvalidArgumentError('It must be a date (2026-11-21) or an instant with its offset.')
}

const readMembers = reader({
  sequence: 'number',
  time: 'string',
  action: 'string',
  outcome: 'string',
  actor: 'string',
  requestId: 'string',
  hash: 'string',
})

/** Members that may be null are told as they come. */
const readEntry: Reader<AuditEntry> = (answer, where) => {
  return readMembers(answer, where) as unknown as AuditEntry
}

async function listEntries(
  session: Session,
  { since, until, user, subject, oldestFirst, limit, ...filter }: ListOptions,
): Promise<ExitCode> {
  const { admin } = await session.connect(['admin'])
  const userId = user === undefined ? undefined : await findUserId(admin, user)
  const order = oldestFirst === true ? 'asc' : 'desc'
  const query = { ...filter, from: since, to: until, userId, subjectId: subject, order }
  const entries = admin.items('/admin/v1/audit/entries', readEntry, { query, limit })
  await session.output.rows(entries, [
    { name: 'sequence', value: ({ sequence }) => sequence, whole: true },
    { name: 'time', value: ({ time }) => time, whole: true },
    { name: 'action', value: ({ action }) => action },
    { name: 'outcome', value: ({ outcome }) => outcome },
    { name: 'actor', value: ({ actor }) => actor },
    { name: 'userId', value: ({ userId: about }) => about, whole: true },
    { name: 'subjectId', value: ({ subjectId }) => subjectId, whole: true },
    { name: 'requestId', value: ({ requestId }) => requestId, whole: true },
  ])
  return EXIT.done
}

const readOutcome = reader({
  intact: 'boolean',
  checked: 'number',
  prunedThrough: 'number',
  verifiedAt: 'string',
})
const readBroken = reader({ sequence: 'number', reason: 'string' })

const readVerification: Reader<Verification> = (answer, where) => {
  const verification = readOutcome(answer, where) as unknown as Verification
  if (!verification.intact) readBroken(verification.broken, `the broken place of ${where}`)
  return verification
}

async function verifyTrail(session: Session): Promise<ExitCode> {
  const { admin } = await session.connect(['admin'])
  session.progress.show('recomputing the chain of the trail')
  const sent = { leastTimeoutMs: VERIFICATION_TIMEOUT_MS }
  const found = await admin.get('/admin/v1/audit/verification', readVerification, sent)
  await session.output.document(found, {
    columns: [
      { name: 'intact', value: ({ intact }) => intact },
      { name: 'checked', value: ({ checked }) => checked },
      { name: 'prunedThrough', value: ({ prunedThrough }) => prunedThrough },
      { name: 'brokenAt', value: ({ broken }) => broken?.sequence },
      { name: 'reason', value: ({ broken }) => broken?.reason },
      { name: 'verifiedAt', value: ({ verifiedAt }) => verifiedAt },
    ],
  })
  return found.intact ? EXIT.done : EXIT.denied
}
