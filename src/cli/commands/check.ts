import type { Command } from 'commander'
import { Failure } from '../../domain/failure.ts'
import { readAttributes } from '../attributes.ts'
import type { Attributes } from '../attributes.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import { addExamples } from '../global-options.ts'
import { openQuestion } from '../question.ts'
import { reader } from '../service-answer.ts'
import type { Run, Session } from '../session.ts'

type Options = { readonly division?: string; readonly attributes?: string; readonly file?: string }

/** `permctl check`: exit code 0 when allowed, 1 when denied. */
export function addCheck(program: Command, run: Run): void {
  const command = program
    .command('check')
    .description('whether a user may do something; exit code 0 for yes, 1 for no')
    .argument('[user]', 'id or email; an OAuth client by id')
    .argument('[permission]', 'domain:entity:action, or a flat permission')
    .option('--division <division>', 'count only what reaches this division: id or name')
    .option('--attributes <json>', 'values for conditions, {"Queue.id": "…"}')
    .action((user: string | undefined, permission: string | undefined, options: Options) => {
      return run((session) => checkOne(session, { ...options, user, permission }))
    })
  addExamples(command, [
    'permctl check alice@example.com routing:queue:view',
    'permctl check alice@example.com routing:queue:edit --division Sales && echo may edit',
    `permctl check alice@example.com quality:evaluation:edit --attributes '{"Evaluation.released": true}'`,
  ])
}

type Asked = Options & {
  readonly user: string | undefined
  readonly permission: string | undefined
}

type Decision = {
  readonly user: string
  readonly userId: string
  readonly permission: string
  readonly divisionId?: string
  readonly allowed: boolean
  readonly reason?: string
}

async function checkOne(session: Session, asked: Asked): Promise<ExitCode> {
  const { user, permission, division } = asked
  if (user === undefined || permission === undefined) {
    throw new Failure('invalid', 'a user and a permission are needed')
  }
  const attributes = asked.attributes === undefined ? undefined : readAttributes(asked.attributes)
  const { check, userId, divisionId } = await openQuestion(session, { user, division })
  const where = divisionId === undefined ? {} : { divisionId }
  const question = { userId, permission, ...where }
  const answer =
    attributes === undefined
      ? await check.get('/api/v1/check-permission', readDecision, { query: question })
      : await askWith(attributes, question, check)
  const reason = answer.reason === undefined ? {} : { reason: answer.reason }
  const decision = { user, ...question, allowed: answer.allowed, ...reason }
  await session.output.document<Decision>(decision, {
    columns: [
      { name: 'user', value: (row) => row.user },
      { name: 'permission', value: (row) => row.permission },
      { name: 'divisionId', value: (row) => row.divisionId },
      { name: 'allowed', value: (row) => row.allowed },
      { name: 'reason', value: (row) => row.reason },
    ],
    text: (row) => [row.allowed ? 'allowed' : `denied: ${row.reason ?? 'no reason given'}`],
  })
  return answer.allowed ? EXIT.done : EXIT.denied
}

const readDecision = reader({ allowed: 'boolean', reason: 'string?' })
const readBatch = reader({ results: 'list' })

async function askWith(
  attributes: Attributes,
  question: object,
  check: Awaited<ReturnType<typeof openQuestion>>['check'],
): Promise<ReturnType<typeof readDecision>> {
  const path = '/api/v1/check-permissions'
  const body = { checks: [{ ...question, attributes }] }
  const { results } = await check.query(path, readBatch, { body })
  return readDecision(results[0], `the result of ${path}`)
}
