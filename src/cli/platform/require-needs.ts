import { permissionText, requirePermissions } from '../../genesys/command-permissions.ts'
import type { CommandNeed } from '../../genesys/command-permissions.ts'
import type { Platform } from '../../genesys/platform-client.ts'
import type { Session } from '../session.ts'

/** Refuses what our clients may not do at all; says what they may do in some divisions only. */
export async function requireNeeds(
  session: Session,
  platform: Platform,
  needs: readonly CommandNeed[],
): Promise<void> {
  if (needs.length === 0) return
  for (const need of await requirePermissions(platform, needs, session.signal)) {
    const what = `${permissionText(need)} is held in some divisions only`
    await session.note(`warning: ${what}: what lies in others is not seen by ${need.command}`)
  }
}
