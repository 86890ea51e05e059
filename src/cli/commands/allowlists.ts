import type { Command } from 'commander'
import { Failure } from '../../domain/failure.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import { addDryRun, addExamples, addLimit } from '../global-options.ts'
import { readJsonObject } from '../json-input.ts'
import {
  ALLOWLISTS_PATH,
  LEAST_TIMEOUT_MS,
  readOrganizationList,
  replaceOrganizationList,
  undoOrganizationList,
} from '../organization-allowlist.ts'
import type { OrganizationList } from '../organization-allowlist.ts'
import { readList, reader } from '../service-answer.ts'
import type { Reader } from '../service-answer.ts'
import type { Run, Session } from '../session.ts'
import { columnsOf } from '../table-text.ts'
import type { Column } from '../table-text.ts'
import { noteWarnings, readValidation, tellValidation } from '../validation-report.ts'

const FILE = 'JSON with name and entries of ipAddress, direction, scope; - for stdin'
const ORGANIZATION = 'organization'
const CALLER = 'where you speak from: a list that would shut it out is refused'

type FileOptions = {
  readonly organization?: boolean
  readonly callerAddress?: string
  readonly dryRun?: boolean
}

/** `permctl allowlists`: named IP allowlists, and the organisation's own. */
export function addAllowlists(program: Command, run: Run): void {
  const allowlists = program
    .command('allowlists')
    .description('IP allowlists: named ones, and the organisation’s own')
  addExamples(allowlists, [
    'permctl allowlists list',
    'permctl allowlists validate office.json',
    'permctl allowlists create login.json --organization --dry-run',
  ])
  const list = allowlists
    .command('list')
    .description('named lists, as the platform has them')
    .action((options: { readonly limit?: number }) => {
      return run((session) => listAllowlists(session, options.limit))
    })
  addLimit(list)
  addExamples(list, ['permctl allowlists list --output json | jq -r .[].name'])
  const show = allowlists
    .command('show')
    .description('one list with its networks')
    .argument('<list>', 'id or name; organization: the organisation’s own')
    .action((named: string) => run((session) => showAllowlist(session, named)))
  addExamples(show, ['permctl allowlists show Office', 'permctl allowlists show organization'])
  addWrites(allowlists, run)
}

function addWrites(allowlists: Command, run: Run): void {
  const validate = allowlists
    .command('validate')
    .description('tell every fault, by its entry, without creating anything; exit code 1 for any')
    .argument('<file>', FILE)
    .option('--organization', 'as the organisation’s own list')
    .option('--caller-address <address>', CALLER)
    .action((file: string, options: FileOptions) => {
      return run((session) => validateAllowlist(session, file, options))
    })
  addExamples(validate, [
    'permctl allowlists validate office.json',
    'permctl allowlists validate login.json --organization --caller-address 203.0.113.7',
  ])
  const create = allowlists
    .command('create')
    .description('create a list; one that is there already is left as it is')
    .argument('<file>', FILE)
    .option('--organization', 'replace the organisation’s own list as a whole')
    .option('--caller-address <address>', CALLER)
    .action((file: string, options: FileOptions) => {
      return run((session) => createAllowlist(session, file, options))
    })
  addDryRun(create)
  addExamples(create, [
    'permctl allowlists create office.json',
    'permctl allowlists create login.json --organization --dry-run',
    'permctl allowlists create login.json --organization --caller-address 203.0.113.7 --yes',
  ])
  const undo = allowlists
    .command('undo')
    .description('take back the last change of the organisation’s own list')
    .option('--caller-address <address>', CALLER)
    .action((options: Omit<FileOptions, 'organization'>) => {
      return run(async (session) => {
        const { admin } = await session.connect(['admin'])
        return await undoOrganizationList(session, admin, options)
      })
    })
  addDryRun(undo)
  addExamples(undo, ['permctl allowlists undo --dry-run', 'permctl allowlists undo --yes'])
}

type Allowlist = {
  readonly id: string
  readonly name: string
  readonly description: string
  readonly createdDate: string
  readonly entries: readonly {
    readonly ipAddress: string
    readonly direction: string
    readonly scope: string
  }[]
}

const readMembers = reader({
  id: 'string',
  name: 'string',
  description: 'string',
  createdDate: 'string',
  entries: 'list',
})
const readEntry = reader({ ipAddress: 'string', direction: 'string', scope: 'string' })

const readAllowlist: Reader<Allowlist> = (answer, where) => {
  const list = readMembers(answer, where)
  readList(list.entries, `an entry of ${where}`, readEntry)
  return list as unknown as Allowlist
}

const COLUMNS: readonly Column<Allowlist>[] = [
  { name: 'name', value: ({ name }) => name },
  { name: 'description', value: ({ description }) => description },
  {
    name: 'entries',
    value: ({ entries }) => {
      return entries.map(({ ipAddress, direction, scope }) => `${ipAddress} ${direction} ${scope}`)
    },
    wrap: true,
  },
  { name: 'createdDate', value: ({ createdDate }) => createdDate },
  { name: 'id', value: ({ id }) => id, whole: true },
]

const ORGANIZATION_COLUMNS: readonly Column<OrganizationList>[] = [
  { name: 'networks', value: ({ networks }) => networks },
  { name: 'changedBy', value: ({ undoable }) => undoable?.requestedBy },
  { name: 'before', value: ({ undoable }) => undoable?.networks },
]

async function listAllowlists(session: Session, limit: number | undefined): Promise<ExitCode> {
  const { admin } = await session.connect(['admin'])
  await session.output.rows(admin.items(ALLOWLISTS_PATH, readAllowlist, { limit }), COLUMNS)
  return EXIT.done
}

async function showAllowlist(session: Session, named: string): Promise<ExitCode> {
  const { admin } = await session.connect(['admin'])
  if (named === ORGANIZATION) {
    const list = await admin.get(`${ALLOWLISTS_PATH}/${ORGANIZATION}`, readOrganizationList)
    await session.output.document(list, { columns: ORGANIZATION_COLUMNS })
    return EXIT.done
  }
  for await (const list of admin.items(ALLOWLISTS_PATH, readAllowlist)) {
    if (list.id !== named && list.name !== named) continue
    await session.output.document(list, { columns: COLUMNS })
    return EXIT.done
  }
  throw new Failure('not-found', `no IP allowlist has the id or name ${named}`)
}

/** The body of the route, without what says only whether to do it. */
async function readBody(
  session: Session,
  file: string,
  { organization, callerAddress }: FileOptions,
): Promise<{ readonly body: Readonly<Record<string, unknown>>; readonly dryRun: boolean }> {
  const { dryRun, ...read } = await readJsonObject(session, file)
  const target = organization === true ? { target: ORGANIZATION } : {}
  const caller = callerAddress === undefined ? {} : { callerAddress }
  return { body: { ...read, ...target, ...caller }, dryRun: dryRun === true }
}

async function validateAllowlist(
  session: Session,
  file: string,
  options: FileOptions,
): Promise<ExitCode> {
  const { admin } = await session.connect(['admin'])
  const { body } = await readBody(session, file, options)
  const validation = await admin.query(`${ALLOWLISTS_PATH}/validations`, readValidation, { body })
  return await tellValidation(session, validation)
}

async function createAllowlist(
  session: Session,
  file: string,
  options: FileOptions,
): Promise<ExitCode> {
  const { admin } = await session.connect(['admin'])
  const { body, ...read } = await readBody(session, file, options)
  const dryRun = options.dryRun === true || read.dryRun
  if (body['target'] === ORGANIZATION) {
    return await replaceOrganizationList(session, admin, body, dryRun)
  }
  const sent = { leastTimeoutMs: LEAST_TIMEOUT_MS }
  if (dryRun) {
    const asked = { ...sent, body: { ...body, dryRun } }
    const preview = await admin.query(ALLOWLISTS_PATH, readPreview, asked)
    await noteWarnings(session, preview)
    await session.output.document(preview, {
      columns: [{ name: 'outcome', value: ({ outcome }) => outcome }],
    })
    return preview.outcome === 'existing' ? EXIT.done : EXIT.denied
  }
  session.resumeWith('the service goes on with it: run the command again')
  const created = await admin.post(ALLOWLISTS_PATH, readCreated, { ...sent, body })
  await noteWarnings(session, created)
  const { outcome, allowlist } = created
  if (outcome === 'existing') {
    await session.note(`there already: ${allowlist.name}, ${allowlist.id}; nothing was changed`)
  }
  await session.output.document(created, { columns: CREATED_COLUMNS })
  return EXIT.done
}

const readPreview = reader({ outcome: 'string', warnings: 'list' })
const readCreation = reader({ outcome: 'string', allowlist: 'object', warnings: 'list' })

type Created = { readonly outcome: string; readonly allowlist: Allowlist }

const readCreated: Reader<Created> = (answer, where) => {
  const created = readCreation(answer, where)
  readAllowlist(created.allowlist, where)
  return created as unknown as Created
}

const CREATED_COLUMNS: readonly Column<Created>[] = [
  { name: 'outcome', value: ({ outcome }) => outcome },
  ...columnsOf(COLUMNS, ({ allowlist }: Created) => allowlist),
]
