import { Option } from 'commander'
import type { Command } from 'commander'
import { USER_STATES } from '../../domain/user-row.ts'
import type { ExitCode } from '../exit-codes.ts'
import { addDryRun, addExamples, addLimit } from '../global-options.ts'
import type { ListOptions } from '../platform/list-users.ts'
import type { Run, Session } from '../session.ts'

/** `permctl users list|export|provision`: the users of the platform. */
export function addUsers(program: Command, run: Run): void {
  const users = program.command('users').description('the users of the organisation')
  addList(users, run)
  addExport(users, run)
  addProvision(users, run)
  addExamples(users, ['permctl users --help'])
}

function states(...standard: readonly string[]): Option {
  return new Option('--state <state...>', 'users in these states')
    .choices(USER_STATES)
    .default(standard)
}

function addList(users: Command, run: Run): void {
  const command = users
    .command('list')
    .description('list users, sorted by email')
    .addOption(states('active'))
    .action((options: ListOptions) => run((session) => list(session, options)))
  addLimit(command)
  addExamples(command, [
    'permctl users list --environment eu',
    'permctl users list --state inactive deleted --output csv',
  ])
}

function addExport(users: Command, run: Run): void {
  const command = users
    .command('export')
    .description('every user as a row that provision reads back without a change')
    .addOption(states('active', 'inactive'))
    .option('--without-ids', 'leave ids out: rows for another organisation')
    .action((options: ListOptions) => run((session) => list(session, options)))
  addExamples(command, [
    'permctl users export --output csv > users.csv',
    'permctl users export --state active inactive deleted --output csv > all.csv',
    'permctl users export --without-ids --profile test > people.json',
  ])
}

const ROWS = `
A row has an email and any of name, division (name or id), department, title, state (active, inactive,
deleted) and id. Cells of a CSV that are empty are left alone; in JSON "" empties department or title.
A user that does not exist is created: it needs a name, and is in the home division unless another is
named. A row with an id is refused when the email belongs to somebody else.`

function addProvision(users: Command, run: Run): void {
  const command = users
    .command('provision')
    .description(
      'create users, or change them: found by email; what a row leaves out is left alone',
    )
    .argument('<file>', 'rows in JSON, NDJSON or CSV; - for standard input')
    .addHelpText('after', ROWS)
    .action((file: string, options: { readonly dryRun?: boolean }) => {
      return run(async (session) => {
        const { provision } = await import('../platform/provision.ts')
        return provision(session, file, options)
      })
    })
  addDryRun(command)
  addExamples(command, [
    'permctl users provision joiners.csv --dry-run',
    'permctl users provision joiners.csv',
    'permctl users export --without-ids --profile test | permctl users provision - --profile copy',
    `echo '[{"email": "alice@example.com", "state": "inactive"}]' | permctl users provision - --yes`,
  ])
}

async function list(session: Session, options: ListOptions): Promise<ExitCode> {
  const { printUsers } = await import('../platform/list-users.ts')
  return printUsers(session, options)
}
