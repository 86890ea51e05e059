import type { Command } from 'commander'
import type { NamedPath, NearestMiss } from '../../domain/explain.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import { addExamples } from '../global-options.ts'
import { describePath, readPaths } from '../grant-path.ts'
import { openQuestion } from '../question.ts'
import { reader } from '../service-answer.ts'
import type { Reader } from '../service-answer.ts'
import type { Run, Session } from '../session.ts'

type Options = { readonly division?: string }

/** `permctl explain`: every way by which a user comes, or nearly comes, by a permission. */
export function addExplain(program: Command, run: Run): void {
  const command = program
    .command('explain')
    .description('why a user may do something, or what is missing; exit codes as check')
    .argument('<user>', 'id or email; an OAuth client by id')
    .argument('<permission>', 'domain:entity:action, or a flat permission')
    .option('--division <division>', 'count only what reaches this division: id or name')
    .action((user: string, permission: string, { division }: Options) => {
      return run((session) => explain(session, { user, permission, division }))
    })
  addExamples(command, [
    'permctl explain alice@example.com routing:queue:edit',
    'permctl explain alice@example.com routing:queue:edit --division Sales --output json',
  ])
}

type Asked = {
  readonly user: string
  readonly permission: string
  readonly division: string | undefined
}

type Explained = {
  readonly userId: string
  readonly permission: string
  readonly allowed: boolean
  readonly reason?: string
  readonly explanation: {
    readonly paths: readonly NamedPath[]
    readonly truncated?: true
    readonly nearest?: NearestMiss
  }
}

async function explain(session: Session, asked: Asked): Promise<ExitCode> {
  const { permission } = asked
  const { check, userId, divisionId } = await openQuestion(session, asked)
  const query = { userId, permission, divisionId, explain: 'true' }
  const found = await check.get('/api/v1/check-permission', readExplained, { query })
  await session.output.document(found, {
    columns: [
      { name: 'allowed', value: ({ allowed }) => allowed },
      { name: 'reason', value: ({ reason }) => reason },
      { name: 'paths', value: ({ explanation }) => explanation.paths.map(pathLine) },
      { name: 'nearest', value: ({ explanation }) => nearestLines(explanation.nearest) },
    ],
    text: (told) => linesOf(told, asked),
  })
  return found.allowed ? EXIT.done : EXIT.denied
}

const readMembers = reader({ allowed: 'boolean', reason: 'string?', explanation: 'object' })
const readExplanation = reader({ paths: 'list', nearest: 'object?' })
const readNearest = reader({
  permission: 'string?',
  state: 'string?',
  missing: 'list?',
  divisions: 'list?',
  roles: 'list?',
  roleCount: 'number?',
})

const readExplained: Reader<Explained> = (answer, where) => {
  const decision = readMembers(answer, where)
  const explanation = readExplanation(decision.explanation, where)
  readPaths(explanation.paths, where)
  if (explanation.nearest) readNearest(explanation.nearest, where)
  return decision as unknown as Explained
}

function linesOf({ allowed, reason, explanation }: Explained, asked: Asked): readonly string[] {
  const { paths, truncated, nearest } = explanation
  const place = asked.division === undefined ? '' : ` in ${asked.division}`
  const verdict = allowed ? 'allowed' : `denied (${reason ?? 'no reason given'})`
  return [
    `${verdict}: ${asked.user}, ${asked.permission}${place}`,
    ...paths.map((path) => `  ${pathLine(path)}`),
    ...(truncated ? ['  … and more'] : []),
    ...nearestLines(nearest),
  ]
}

const OUTCOME_WORDS: Readonly<Record<NamedPath['outcome'], string>> = {
  allowed: 'yes',
  conditional: 'undecided',
  other_division: 'elsewhere',
  condition_failed: 'condition fails',
}

function pathLine(path: NamedPath): string {
  const missing = path.missing ? `, needs ${path.missing.join(', ')}` : ''
  return `${OUTCOME_WORDS[path.outcome]}: ${describePath(path)}, policy ${path.policy}${missing}`
}

function nearestLines(nearest: NearestMiss = {}): readonly string[] {
  const { permission, state, missing, divisions, roles, roleCount } = nearest
  const more = roleCount !== undefined && roles && roleCount > roles.length
  return [
    ...(permission === undefined ? [] : [`did you mean the permission ${permission}?`]),
    ...(state === undefined ? [] : [`the user is ${state}`]),
    ...(missing === undefined ? [] : [`attributes that would decide it: ${missing.join(', ')}`]),
    ...(divisions === undefined ? [] : [`it is held in: ${names(divisions)}`]),
    ...(roles === undefined || roles.length === 0
      ? []
      : [
          `roles that give it: ${names(roles)}${more ? ` and ${roleCount - roles.length} more` : ''}`,
        ]),
  ]
}

function names(list: readonly { readonly name: string }[]): string {
  return list.map(({ name }) => name).join(', ')
}
