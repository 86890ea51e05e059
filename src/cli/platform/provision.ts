import { readUserRows, USER_COLUMNS } from '../../domain/user-row.ts'
import type { UserRow } from '../../domain/user-row.ts'
import { takesAway } from '../../domain/plan-user.ts'
import type { CommandNeed } from '../../genesys/command-permissions.ts'
import { COMMAND_NEEDS } from '../../genesys/command-permissions.ts'
import { planProvisioning, runProvisioning } from '../../genesys/provision-users.ts'
import type { PlannedUser } from '../../genesys/provision-users.ts'
import type { ExitCode } from '../exit-codes.ts'
import { parseRecords, readInput } from '../input-file.ts'
import type { Session } from '../session.ts'
import { carryOut } from './carry-out.ts'
import { exitCodeOfPlan, outcomeColumns } from './outcome-rows.ts'
import type { OutcomeRow } from './outcome-rows.ts'
import { requireNeeds } from './require-needs.ts'

type Options = { readonly dryRun?: boolean }

/** Makes the users of a file as their rows want them; see `planUser` for what a row means. */
export async function provision(
  session: Session,
  path: string,
  { dryRun = false }: Options,
): Promise<ExitCode> {
  const { platform } = await session.connect(['platform'])
  const rows = readRows(await readInput(session, path))
  const { signal } = session
  session.progress.show(`looking for ${rows.length} users`)
  await requireNeeds(session, platform, COMMAND_NEEDS.provision)
  const planned = await planProvisioning(platform, rows, signal)
  if (dryRun) {
    const outcomes = planned.map(plannedRow)
    await session.output.rows(outcomes, outcomeColumns('email'))
    return exitCodeOfPlan(outcomes)
  }
  await requireNeeds(session, platform, neededFor(planned))
  const losing = planned.filter(({ plan }) => takesAway(plan)).length
  if (losing > 0) {
    await session.confirm(
      `${losing} of ${planned.length} users will be deactivated or deleted, and lose their roles.`,
    )
  }
  return carryOut(session, {
    what: 'email',
    thing: 'user',
    items: planned,
    nameOf: ({ row }) => row.email,
    concurrency: platform.write.concurrency,
    // Who loses something was asked about.
    run: (how) => runProvisioning(platform, planned, { ...how, allowRemoval: true }),
  })
}

function readRows(content: string): readonly UserRow[] {
  const records = parseRecords(content, USER_COLUMNS)
  return readUserRows(records.map(({ where: place, values: value }) => ({ place, value })))
}

function plannedRow({ row, current, plan }: PlannedUser): OutcomeRow {
  const id = current === undefined ? {} : { id: current.id }
  switch (plan.kind) {
    case 'create':
      return { name: row.email, outcome: 'would-create', changes: plan.changes }
    case 'update':
      return { name: row.email, outcome: 'would-change', ...id, changes: plan.changes }
    default:
      return { name: row.email, outcome: 'unchanged', ...id, changes: [] }
  }
}

function neededFor(planned: readonly PlannedUser[]): readonly CommandNeed[] {
  const steps = planned.flatMap(({ plan }) => (plan.kind === 'update' ? plan.steps : []))
  const deletes = steps.some(({ kind }) => kind === 'delete')
  return [
    ...(planned.some(({ plan }) => plan.kind === 'create') ? COMMAND_NEEDS.addUsers : []),
    ...(steps.some(({ kind }) => kind !== 'delete') ? COMMAND_NEEDS.editUsers : []),
    ...(deletes ? COMMAND_NEEDS.deleteUsers : []),
  ]
}
