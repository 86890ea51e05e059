import { findDivisionId, isDivisionId } from './find-division.ts'
import { findUserId, isUserId } from './find-user.ts'
import type { ServiceClient } from './service-client.ts'
import type { Session } from './session.ts'

type Found = {
  readonly check: ServiceClient
  /** As they were named → id. */
  readonly userIds: ReadonlyMap<string, string>
  readonly divisionIds: ReadonlyMap<string, string>
}

/** Users that are looked up at the same time: the admin plane takes some twenty requests a second. */
const LOOK_UPS = 4

/**
 * Opens the check plane, and the admin plane where something is named otherwise than by id: each of
 * those is looked up once. Throws when one of them cannot be found.
 */
export async function openNamed(
  session: Session,
  users: ReadonlySet<string>,
  divisions: ReadonlySet<string>,
): Promise<Found> {
  const userIds = new Map([...users].map((user) => [user, user]))
  const divisionIds = new Map([...divisions].map((division) => [division, division]))
  const namedUsers = [...users].filter((user) => !isUserId(user))
  const namedDivisions = [...divisions].filter((division) => !isDivisionId(division))
  if (namedUsers.length === 0 && namedDivisions.length === 0) {
    return { ...(await session.connect(['check'])), userIds, divisionIds }
  }
  const { check, admin } = await session.connect(['check', 'admin'])
  const left = namedUsers.values()
  let looked = 0
  const lookUp = async (): Promise<void> => {
    // One queue for all: each takes the next.
    for (const user of left) {
      if (namedUsers.length > 1) {
        session.progress.show(`looking up users: ${looked} of ${namedUsers.length}`)
      }
      userIds.set(user, await findUserId(admin, user))
      looked += 1
    }
  }
  await Promise.all(Array.from({ length: LOOK_UPS }, lookUp))
  for (const name of namedDivisions) divisionIds.set(name, await findDivisionId(admin, name))
  return { check, userIds, divisionIds }
}

/** Who and where of a question, as a person names them. */
type Named = { readonly user?: string | undefined; readonly division?: string | undefined }

/** The same for one user and one division at most. */
export async function openQuestion(
  session: Session,
  { user, division }: Named,
): Promise<{
  readonly check: ServiceClient
  readonly userId: string
  readonly divisionId: string | undefined
}> {
  const users = new Set(user === undefined ? [] : [user])
  const divisions = new Set(division === undefined ? [] : [division])
  const { check, userIds, divisionIds } = await openNamed(session, users, divisions)
  const [userId = ''] = userIds.values()
  const [divisionId] = divisionIds.values()
  return { check, userId, divisionId }
}
