import type { PlatformQueue } from '../../domain/plan-queue.ts'
import { COMMAND_NEEDS } from '../../genesys/command-permissions.ts'
import { listQueues } from '../../genesys/read-queues.ts'
import { RequestProgress } from '../../genesys/request-progress.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import type { Session } from '../session.ts'
import type { Column } from '../table-text.ts'
import { requireNeeds } from './require-needs.ts'

type Row = {
  readonly name: string
  readonly division: string
  /** All members, those of groups included; left out where the platform does not count them. */
  readonly memberCount?: number
  readonly description: string
  readonly id: string
}

const COLUMNS: readonly Column<Row>[] = [
  { name: 'name', value: ({ name }) => name },
  { name: 'division', value: ({ division }) => division },
  { name: 'memberCount', value: ({ memberCount }) => memberCount },
  { name: 'description', value: ({ description }) => description },
  { name: 'id', value: ({ id }) => id, whole: true },
]

/** Prints every queue, in the platform's order. */
export async function printQueues(
  session: Session,
  { limit }: { readonly limit?: number },
): Promise<ExitCode> {
  const { platform } = await session.connect(['platform'])
  await requireNeeds(session, platform, COMMAND_NEEDS.listQueues)
  const queues = await listQueues(platform.read, session.signal, queueProgress(session))
  await session.output.rows(queues.slice(0, limit).map(rowOf), COLUMNS)
  return EXIT.done
}

/** Shows how many pages of queues were read. */
export function queueProgress(session: Session): RequestProgress {
  return new RequestProgress(({ done, total }) => {
    session.progress.show(`reading queues: ${done} of ${total} pages`)
  })
}

function rowOf({ id, name, divisionName, body }: PlatformQueue): Row {
  const { memberCount, description } = body
  return {
    name,
    division: divisionName,
    ...(typeof memberCount === 'number' && { memberCount }),
    description: typeof description === 'string' ? description : '',
    id,
  }
}
