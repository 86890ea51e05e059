import { USER_COLUMNS } from '../../domain/user-row.ts'
import type { UserState } from '../../domain/user-row.ts'
import { COMMAND_NEEDS } from '../../genesys/command-permissions.ts'
import { allOrFirstError } from '../../genesys/concurrently.ts'
import { readDivisions } from '../../genesys/division-lookup.ts'
import { listUsers } from '../../genesys/find-users.ts'
import { RequestProgress } from '../../genesys/request-progress.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import type { Session } from '../session.ts'
import type { Column } from '../table-text.ts'
import { requireNeeds } from './require-needs.ts'

export type ListOptions = {
  readonly state: readonly UserState[]
  readonly limit?: number
  /** Rows for another organisation, where the users have other ids. */
  readonly withoutIds?: boolean
}

type ColumnName = (typeof USER_COLUMNS)[number]
type Row = Readonly<Record<Exclude<ColumnName, 'id'>, string> & { id?: string }>

/** Prints users, sorted by email, as rows that provisioning reads back without a change. */
export async function printUsers(
  session: Session,
  { state, limit, withoutIds = false }: ListOptions,
): Promise<ExitCode> {
  const { platform } = await session.connect(['platform'])
  await requireNeeds(session, platform, COMMAND_NEEDS.listUsers)
  const progress = new RequestProgress(({ done, total }) => {
    session.progress.show(`reading users: ${done} of ${total} pages`)
  })
  const states = [...new Set(state)]
  const { signal } = session
  const [divisions, users] = await allOrFirstError([
    readDivisions(platform.read, signal),
    listUsers(platform.read, { states, signal, progress }),
  ])
  const rows = users.slice(0, limit).map((user): Row => {
    const { email, name, department, title, state: is, id, divisionId, divisionName } = user
    const division = divisions.textOf({ id: divisionId, name: divisionName })
    const row = { email, name, division, department, title, state: is }
    return withoutIds ? row : { ...row, id }
  })
  const shown = USER_COLUMNS.filter((column) => column !== 'id' || !withoutIds)
  const columns = shown.map((column): Column<Row> => {
    const value = (row: Row) => row[column]
    const isKey = column === 'email' || column === 'id'
    return isKey ? { name: column, value, whole: true } : { name: column, value }
  })
  await session.output.rows(rows, columns)
  return EXIT.done
}
