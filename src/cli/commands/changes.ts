import { Option } from 'commander'
import type { Command } from 'commander'
import { BATCH_STATES, ITEM_STATES, ON_FAILURE } from '../../domain/role-change.ts'
import type { BatchState, ItemState } from '../../domain/role-change.ts'
import { applyFile, simulateFile, tellWithItems } from '../apply-changes.ts'
import type { ApplyOptions } from '../apply-changes.ts'
import type { ChangeOptions } from '../change-file.ts'
import { resumeBatch, rollBackBatch, stopBatch } from '../command-batch.ts'
import type { CommandOptions } from '../command-batch.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import { findUserId } from '../find-user.ts'
import { addDryRun, addExamples, addLimit, wholeNumber } from '../global-options.ts'
import { BATCH_COLUMNS, CHANGES_PATH, findBatch, followBatch, readBatch } from '../role-changes.ts'
import type { Run, Session } from '../session.ts'

const FILE =
  'JSON (the body of the route) or CSV: userId,operation,roleId,divisionId[,until]; - for stdin'
const ID = '0b6f2c1d-8e47-4a35-9d1b-7c5e3f2a6b90'

/** `permctl changes`: batches of role changes. */
export function addChanges(program: Command, run: Run): void {
  const changes = program
    .command('changes')
    .description('role changes: try, apply, follow, take back')
  addExamples(changes, [
    'permctl changes simulate changes.csv',
    'permctl changes apply changes.csv --comment "new team"',
    `permctl changes rollback ${ID}`,
  ])
  addSimulate(changes, run)
  addApply(changes, run)
  addList(changes, run)
  addStatus(changes, run)
  addStop(changes, run)
  addResume(changes, run)
  addRollback(changes, run)
}

function addSimulate(changes: Command, run: Run): void {
  const command = changes
    .command('simulate')
    .description(
      'what changes would do, and which rules they would break; exit code 1 for anything',
    )
    .argument('<file>', `${FILE}. JSON may also be an edited role`)
    .action((file: string, options: ChangeOptions & { readonly limit?: number }) => {
      return run((session) => simulateFile(session, file, options))
    })
  addBaseRevision(command)
  addLimit(command)
  addExamples(command, [
    'permctl changes simulate changes.csv',
    'permctl changes simulate edited-role.json --output json | jq .blastRadius',
  ])
}

function addApply(changes: Command, run: Run): void {
  const command = changes
    .command('apply')
    .description('apply changes; the same line again applies nothing twice')
    .argument('<file>', FILE)
    .option('--comment <text>', 'goes into the audit trail')
    .addOption(
      new Option('--on-failure <what>', 'once a user has failed (default: stop)').choices(
        ON_FAILURE,
      ),
    )
    .option('--force', 'also change users whose grants were changed by others meanwhile')
    .option(
      '--key <name>',
      'name of this run, applied once (default: made of the file and options)',
    )
    .option('--no-wait', 'only have it accepted')
    .action((file: string, options: ApplyOptions) => {
      return run((session) => applyFile(session, file, options))
    })
  addBaseRevision(command)
  addDryRun(command)
  addExamples(command, [
    'permctl changes apply changes.csv --comment "new team"',
    'permctl changes apply changes.json --dry-run',
    'permctl changes apply changes.csv --on-failure rollback --output ndjson',
    'permctl changes apply changes.csv --key weekly-2026-47',
  ])
}

function addList(changes: Command, run: Run): void {
  type Options = { readonly state?: BatchState; readonly user?: string; readonly limit?: number }
  const command = changes
    .command('list')
    .description('batches of role changes, newest first')
    .addOption(new Option('--state <state>', 'only those in this state').choices(BATCH_STATES))
    .option('--user <user>', 'only those that change this user: id or email')
    .action((options: Options) => run((session) => list(session, options)))
  addLimit(command)
  addExamples(command, [
    'permctl changes list --user alice@example.com',
    'permctl changes list --state stopped --output json | jq -r .[].id',
  ])
  async function list(session: Session, { state, user, limit }: Options): Promise<ExitCode> {
    const { admin } = await session.connect(['admin'])
    const userId = user === undefined ? undefined : await findUserId(admin, user)
    const batches = admin.items(CHANGES_PATH, readBatch, { query: { state, userId }, limit })
    await session.output.rows(batches, BATCH_COLUMNS)
    return EXIT.done
  }
}

function addStatus(changes: Command, run: Run): void {
  type Options = { readonly state?: ItemState; readonly wait?: boolean }
  const command = changes
    .command('status')
    .description('how a batch stands, user by user; exit codes as apply')
    .argument('<id>', 'id of the batch')
    .addOption(new Option('--state <state>', 'only users in this state').choices(ITEM_STATES))
    .option('--wait', 'follow it to its end')
    .action((id: string, options: Options) => run((session) => status(session, id, options)))
  addExamples(command, [
    `permctl changes status ${ID} --wait`,
    `permctl changes status ${ID} --state failed --output csv > failed.csv`,
  ])
  async function status(session: Session, id: string, options: Options): Promise<ExitCode> {
    const { admin } = await session.connect(['admin'])
    const batch = options.wait ? await followBatch(session, admin, id) : await findBatch(admin, id)
    return await tellWithItems(session, admin, batch, options.state)
  }
}

function addStop(changes: Command, run: Run): void {
  const command = changes
    .command('stop')
    .description('halt a batch after the user in hand')
    .argument('<id>', 'id of the batch')
    .option('--no-wait', 'only ask for it')
    .action((id: string, options: CommandOptions) => {
      return run((session) => stopBatch(session, id, options))
    })
  addDryRun(command)
  addExamples(command, [`permctl changes stop ${ID}`])
}

function addResume(changes: Command, run: Run): void {
  const command = changes
    .command('resume')
    .description('go on with a stopped batch; exit codes as apply')
    .argument('<id>', 'id of the batch')
    .option('--no-wait', 'only ask for it')
    .action((id: string, options: CommandOptions) => {
      return run((session) => resumeBatch(session, id, options))
    })
  addDryRun(command)
  addExamples(command, [`permctl changes resume ${ID}`])
}

function addRollback(changes: Command, run: Run): void {
  const command = changes
    .command('rollback')
    .description('restore the direct grants from before a batch; exit code 4 when not all could be')
    .argument('<id>', 'id of the batch')
    .option('--force', 'also restore users whose grants were changed by others since')
    .option('--no-wait', 'only ask for it')
    .action((id: string, options: CommandOptions & { readonly force?: boolean }) => {
      return run((session) => rollBackBatch(session, id, options))
    })
  addDryRun(command)
  addExamples(command, [
    `permctl changes rollback ${ID} --dry-run`,
    `permctl changes rollback ${ID} --yes`,
  ])
}

function addBaseRevision(command: Command): void {
  command.option(
    '--base-revision <number>',
    'revision that the changes were thought out on (default: the one that is served)',
    wholeNumber(0, Number.MAX_SAFE_INTEGER),
  )
}
