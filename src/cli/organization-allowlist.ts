import { Failure } from '../domain/failure.ts'
import { EXIT } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import { readList, reader } from './service-answer.ts'
import type { Reader } from './service-answer.ts'
import type { ServiceClient } from './service-client.ts'
import type { Session } from './session.ts'
import type { Column } from './table-text.ts'
import { noteWarnings } from './validation-report.ts'

export const ALLOWLISTS_PATH = '/admin/v1/ip-allowlists'
/** The platform is asked several times, and waited for. */
export const LEAST_TIMEOUT_MS = 120_000

/** The organisation's own list. */
export type OrganizationList = {
  readonly networks: readonly string[]
  /** The change that an undo would take back; `networks`: those before it. */
  readonly undoable?: { readonly networks: readonly string[]; readonly requestedBy: string }
}

type Difference = {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly kept: readonly string[]
}

const readMembers = reader({ networks: 'list', undoable: 'object?' })
const readUndoable = reader({ networks: 'list', requestedBy: 'string' })
const readDifference = reader({ added: 'list', removed: 'list', kept: 'list', warnings: 'list' })

export const readOrganizationList: Reader<OrganizationList> = (answer, where) => {
  const list = readMembers(answer, where)
  readNetworks(list.networks, where)
  if (list.undoable) readNetworks(readUndoable(list.undoable, where).networks, where)
  return list as unknown as OrganizationList
}

const readReplacement: Reader<Difference> = (answer, where) => {
  const { added, removed, kept } = readDifference(answer, where)
  readNetworks([...added, ...removed, ...kept], where)
  return answer as Difference
}

function readNetworks(networks: readonly unknown[], where: string): void {
  readList(networks, where, (network) => {
    if (typeof network !== 'string') {
      throw new Failure('upstream-broken', `${where} came with a network that is no text`)
    }
  })
}

/** Replaces the organisation's own list as a whole; asks first, showing the difference. */
export async function replaceOrganizationList(
  session: Session,
  admin: ServiceClient,
  body: Readonly<Record<string, unknown>>,
  dryRun: boolean,
): Promise<ExitCode> {
  const sent = { leastTimeoutMs: LEAST_TIMEOUT_MS }
  const asked = { ...body, target: 'organization' }
  const preview = await admin.query(ALLOWLISTS_PATH, readReplacement, {
    ...sent,
    body: { ...asked, dryRun: true },
  })
  await noteWarnings(session, preview)
  const same = preview.added.length + preview.removed.length === 0
  if (dryRun || same) {
    if (same) await session.note('there already: nothing differs')
    await session.output.document(preview, { columns: DIFFERENCE_COLUMNS })
    return same ? EXIT.done : EXIT.denied
  }
  await session.confirm('replace the list of the organisation?', differenceLines(preview))
  session.resumeWith('the service goes on with it: permctl allowlists show organization')
  const replaced = await admin.post(ALLOWLISTS_PATH, readReplacement, { ...sent, body: asked })
  await session.output.document(replaced, { columns: DIFFERENCE_COLUMNS })
  return EXIT.done
}

/** Takes back the last change of the organisation's own list; asks first, showing the difference. */
export async function undoOrganizationList(
  session: Session,
  admin: ServiceClient,
  { callerAddress, dryRun }: { readonly callerAddress?: string; readonly dryRun?: boolean },
): Promise<ExitCode> {
  const path = `${ALLOWLISTS_PATH}/organization`
  const { networks, undoable } = await admin.get(path, readOrganizationList)
  if (undoable === undefined) {
    await session.note('there is no change of the organisation’s list to take back')
    return EXIT.done
  }
  const difference = differenceOf(networks, undoable.networks)
  if (dryRun === true) {
    await session.output.document(difference, { columns: DIFFERENCE_COLUMNS })
    return EXIT.denied
  }
  const question = `take back the change of ${undoable.requestedBy} to the list of the organisation?`
  await session.confirm(question, differenceLines(difference))
  session.resumeWith('the service goes on with it: permctl allowlists show organization')
  const undone = await admin.post(`${path}/undo`, readReplacement, {
    body: callerAddress === undefined ? {} : { callerAddress },
    leastTimeoutMs: LEAST_TIMEOUT_MS,
  })
  await session.output.document(undone, { columns: DIFFERENCE_COLUMNS })
  return EXIT.done
}

function differenceOf(now: readonly string[], then: readonly string[]): Difference {
  return {
    added: then.filter((network) => !now.includes(network)),
    removed: now.filter((network) => !then.includes(network)),
    kept: now.filter((network) => then.includes(network)),
  }
}

function differenceLines({ added, removed, kept }: Difference): readonly string[] {
  return [
    ...added.map((network) => `+ ${network}`),
    ...removed.map((network) => `- ${network}`),
    `${kept.length} kept`,
  ]
}

const DIFFERENCE_COLUMNS: readonly Column<Difference>[] = [
  { name: 'added', value: ({ added }) => added },
  { name: 'removed', value: ({ removed }) => removed },
  { name: 'kept', value: ({ kept }) => kept },
]
