import { isDeepStrictEqual } from 'node:util'
import type { Command } from 'commander'
import { Failure } from '../../domain/failure.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import { addDryRun, addExamples, addLimit } from '../global-options.ts'
import { readJsonObject } from '../json-input.ts'
import { reader } from '../service-answer.ts'
import type { Reader } from '../service-answer.ts'
import type { ServiceClient } from '../service-client.ts'
import type { Run, Session } from '../session.ts'
import { columnsOf } from '../table-text.ts'
import type { Column } from '../table-text.ts'
import { noteWarnings, readValidation, tellValidation } from '../validation-report.ts'

const PATH = '/admin/v1/environments'
const FILE = 'JSON with name, configSource, accessControl and perhaps description; - for stdin'
/** The platform is asked several times, and waited for. */
const LEAST_TIMEOUT_MS = 120_000

/** `permctl environments`. */
export function addEnvironments(program: Command, run: Run): void {
  const environments = program
    .command('environments')
    .description('environments of the architecture API')
  addExamples(environments, [
    'permctl environments list',
    'permctl environments create staging.json --dry-run',
  ])
  const list = environments
    .command('list')
    .description('environments, as the platform has them')
    .action((options: { readonly limit?: number }) => {
      return run((session) => listEnvironments(session, options.limit))
    })
  addLimit(list)
  addExamples(list, ['permctl environments list --output csv'])
  const show = environments
    .command('show')
    .description('one environment')
    .argument('<environment>', 'id or name')
    .action((named: string) => run((session) => showEnvironment(session, named)))
  addExamples(show, ['permctl environments show staging'])
  const validate = environments
    .command('validate')
    .description('tell every fault without creating anything; exit code 1 for any')
    .argument('<file>', FILE)
    .action((file: string) => run((session) => validateEnvironment(session, file)))
  addExamples(validate, ['permctl environments validate staging.json'])
  const create = environments
    .command('create')
    .description('create an environment; one that is there already is left as it is')
    .argument('<file>', FILE)
    .action((file: string, { dryRun }: { readonly dryRun?: boolean }) => {
      return run((session) => createEnvironment(session, file, dryRun === true))
    })
  addDryRun(create)
  addExamples(create, [
    'permctl environments create staging.json',
    'permctl environments create staging.json --dry-run',
  ])
}

type Environment = {
  readonly id: string
  readonly name: string
  readonly createdDate: string
  readonly description: string | null
  readonly configSource: { readonly type: string; readonly sources: readonly string[] } | null
  readonly accessControl: readonly { readonly role: string; readonly permission: string }[] | null
}

const readMembers = reader({ id: 'string', name: 'string', createdDate: 'string' })
const readEnvironment: Reader<Environment> = (answer, where) => {
  return readMembers(answer, where) as unknown as Environment
}

const COLUMNS: readonly Column<Environment>[] = [
  { name: 'name', value: ({ name }) => name },
  { name: 'description', value: ({ description }) => description },
  { name: 'sources', value: ({ configSource }) => configSource?.sources },
  {
    name: 'accessControl',
    value: ({ accessControl }) => {
      return accessControl?.map(({ role, permission }) => `${role}: ${permission}`)
    },
  },
  { name: 'createdDate', value: ({ createdDate }) => createdDate },
  { name: 'id', value: ({ id }) => id, whole: true },
]

async function listEnvironments(session: Session, limit: number | undefined): Promise<ExitCode> {
  const { admin } = await session.connect(['admin'])
  await session.output.rows(admin.items(PATH, readEnvironment, { limit }), COLUMNS)
  return EXIT.done
}

async function showEnvironment(session: Session, named: string): Promise<ExitCode> {
  const { admin } = await session.connect(['admin'])
  const found = await findEnvironment(admin, named)
  if (!found) throw new Failure('not-found', `no environment has the id or name ${named}`)
  await session.output.document(found, { columns: COLUMNS })
  return EXIT.done
}

async function findEnvironment(
  admin: ServiceClient,
  named: string,
): Promise<Environment | undefined> {
  for await (const each of admin.items(PATH, readEnvironment)) {
    if (each.id === named || each.name === named) return each
  }
  return undefined
}

async function validateEnvironment(session: Session, file: string): Promise<ExitCode> {
  const { admin } = await session.connect(['admin'])
  const { dryRun: _, ...body } = await readJsonObject(session, file)
  const validation = await admin.query(`${PATH}/validations`, readValidation, { body })
  return await tellValidation(session, validation)
}

const readPreview = reader({ count: 'number', maxEnvironments: 'number', warnings: 'list' })
const readCreation = reader({
  environmentId: 'string',
  outcome: 'string',
  environment: 'object',
  warnings: 'list',
})

type Created = { readonly outcome: string; readonly environment: Environment }

const readCreated: Reader<Created> = (answer, where) => {
  const created = readCreation(answer, where)
  readEnvironment(created.environment, where)
  return created as unknown as Created
}

const CREATED_COLUMNS: readonly Column<Created>[] = [
  { name: 'outcome', value: ({ outcome }) => outcome },
  ...columnsOf(COLUMNS, ({ environment }: Created) => environment),
]

async function createEnvironment(
  session: Session,
  file: string,
  dryRun: boolean,
): Promise<ExitCode> {
  const { admin } = await session.connect(['admin'])
  const body = await readJsonObject(session, file)
  const sent = { leastTimeoutMs: LEAST_TIMEOUT_MS }
  try {
    if (dryRun || body['dryRun'] === true) {
      const asked = { ...sent, body: { ...body, dryRun: true } }
      const preview = await admin.query(PATH, readPreview, asked)
      await noteWarnings(session, preview)
      await session.output.document(preview, {
        columns: [
          { name: 'count', value: ({ count }) => count },
          { name: 'maxEnvironments', value: ({ maxEnvironments }) => maxEnvironments },
        ],
      })
      return EXIT.denied
    }
    session.resumeWith('the service goes on with it: run the command again')
    const created = await admin.post(PATH, readCreated, { ...sent, body })
    await noteWarnings(session, created)
    await session.output.document(created, { columns: CREATED_COLUMNS })
    return EXIT.done
  } catch (error) {
    return await tellNamesake(session, admin, body, error)
  }
}

/** A name that is taken is no error where all that the platform tells of it is what was asked for. */
async function tellNamesake(
  session: Session,
  admin: ServiceClient,
  body: Readonly<Record<string, unknown>>,
  error: unknown,
): Promise<ExitCode> {
  if (!(error instanceof Failure) || error.code !== 'conflict') throw error
  const namesake = await findEnvironment(admin, String(body['name']))
  if (!namesake || !isAsAsked(namesake, body)) throw error
  await session.note(`there already: ${namesake.name}, ${namesake.id}; nothing was changed`)
  await session.output.document(namesake, { columns: COLUMNS })
  return EXIT.done
}

function isAsAsked(found: Environment, body: Readonly<Record<string, unknown>>): boolean {
  const { description, configSource, accessControl } = found
  const told = Object.entries({ description, configSource, accessControl })
  return told.every(([name, value]) => {
    return (
      value === null || isDeepStrictEqual(value, body[name] ?? (name === 'description' ? '' : []))
    )
  })
}
