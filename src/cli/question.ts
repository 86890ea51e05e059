import { findDivisionId, isDivisionId } from './find-division.ts'
import { findUserId, isUserId } from './find-user.ts'
import type { ServiceClient } from './service-client.ts'
import type { Session } from './session.ts'

/** Who and where, as a person names them. */
export type Named = { readonly user?: string | undefined; readonly division?: string | undefined }

type Found = {
  readonly check: ServiceClient
  readonly userId: string
  readonly divisionId: string | undefined
}

/** Opens the check plane, and the admin plane where something has to be looked up by name. */
export async function openQuestion(session: Session, named: Named): Promise<Found> {
  const { user = '', division } = named
  if (isUserId(user) && (division === undefined || isDivisionId(division))) {
    const { check } = await session.connect(['check'])
    return { check, userId: user, divisionId: division }
  }
  const { check, admin } = await session.connect(['check', 'admin'])
  return {
    check,
    userId: await findUserId(admin, user),
    divisionId: division === undefined ? undefined : await findDivisionId(admin, division),
  }
}
