import { USER_COLUMNS } from '../../domain/user-row.ts'
import type { UserState } from '../../domain/user-row.ts'
import type { PlatformUser } from '../../domain/plan-user.ts'
import { COMMAND_NEEDS } from '../../genesys/command-permissions.ts'
import { listUsers } from '../../genesys/find-users.ts'
import { RequestProgress } from '../../genesys/request-progress.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import type { Session } from '../session.ts'
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
  const users = await listUsers(platform.read, { states, signal: session.signal, progress })
  const name = divisionNames(users)
  const rows = users.slice(0, limit).map((user): Row => {
    const { email, name: own, department, title, state: is, id } = user
    const row = { email, name: own, division: name(user), department, title, state: is }
    return withoutIds ? row : { ...row, id }
  })
  const shown = USER_COLUMNS.filter((column) => column !== 'id' || !withoutIds)
  const columns = shown.map((column) => ({ name: column, value: (row: Row) => row[column] }))
  await session.output.rows(rows, columns)
  return EXIT.done
}

/** A division by its name, or by its id where several have the name. */
function divisionNames(users: readonly PlatformUser[]): (user: PlatformUser) => string {
  const ids = new Map<string, Set<string>>()
  for (const { divisionId, divisionName } of users) {
    ids.set(divisionName, (ids.get(divisionName) ?? new Set()).add(divisionId))
  }
  return ({ divisionId, divisionName }) => {
    return divisionName === '' || (ids.get(divisionName)?.size ?? 0) > 1 ? divisionId : divisionName
  }
}
