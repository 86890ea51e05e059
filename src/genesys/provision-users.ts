import { FaultList } from '../domain/fault-list.ts'
import { planUser, takesAway } from '../domain/plan-user.ts'
import type { UserPlan } from '../domain/plan-user.ts'
import { emailKey } from '../domain/user-row.ts'
import type { UserRow } from '../domain/user-row.ts'
import { allOrFirstError } from './concurrently.ts'
import { readDivisions } from './division-lookup.ts'
import { findUsersByEmail } from './find-users.ts'
import type { Platform } from './platform-client.ts'
import { provisionUser } from './provision-user.ts'
import type { Provisioned, ProvisionItem } from './provision-user.ts'
import { runItems } from './run-items.ts'
import type { Ended } from './run-items.ts'

export type PlannedUser = ProvisionItem & { readonly plan: UserPlan }

/**
 * Finds the users and divisions of the rows and plans each; writes nothing. Throws `invalid` with
 * every row that cannot be met.
 */
export async function planProvisioning(
  { read }: Platform,
  rows: readonly UserRow[],
  signal: AbortSignal,
): Promise<readonly PlannedUser[]> {
  const [divisions, users] = await allOrFirstError([
    readDivisions(read, signal),
    findUsersByEmail(
      read,
      rows.map(({ email }) => email),
      signal,
    ),
  ])
  const faults = new FaultList()
  const planned = rows.map((row) => {
    const { place } = row
    const divisionId =
      row.division === undefined
        ? undefined
        : divisions.resolve(row.division, `${place}/division`, faults)
    const { homeDivisionId } = divisions
    const context = { divisionId, homeDivisionId }
    const current = users.get(emailKey(row.email))
    const plan = planUser(row, current, context)
    if (plan.kind === 'impossible') faults.add(`${place}/email`, plan.message)
    return { row, current, context, plan }
  })
  faults.throwIfAny()
  return planned
}

export type RunProvisioning = {
  /** Whether users whose plan deactivates or deletes them may be; others never are. */
  readonly allowRemoval: boolean
  /** Once aborted no further row is begun. */
  readonly stop: AbortSignal
  /** Ends what runs at once. */
  readonly signal: AbortSignal
  readonly onEnd: (item: PlannedUser, ended: Ended<Provisioned>) => void
}

/** Carries plans out, several at a time. Running it again goes on where it ended. */
export function runProvisioning(
  platform: Platform,
  planned: readonly PlannedUser[],
  { allowRemoval, stop, signal, onEnd }: RunProvisioning,
): Promise<void> {
  return runItems(planned, {
    limit: platform.write.concurrency,
    stop,
    divisionOf: ({ current, context }) =>
      current?.divisionId ?? context.divisionId ?? context.homeDivisionId,
    run: (item, written) => {
      const allowed = allowRemoval && takesAway(item.plan)
      return provisionUser(platform, item, { allowRemoval: allowed, written, signal })
    },
    onEnd,
  })
}
