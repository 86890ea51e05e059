import type { Command } from 'commander'
import { Failure } from '../../domain/failure.ts'
import { readAttributes } from '../attributes.ts'
import { readChecks } from '../check-file.ts'
import type { AskedCheck } from '../check-file.ts'
import { decide } from '../decide.ts'
import type { Decision } from '../decide.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import { addExamples } from '../global-options.ts'
import { readInput } from '../input-file.ts'
import type { Run, Session } from '../session.ts'
import type { Column } from '../table-text.ts'

type Options = { readonly division?: string; readonly attributes?: string; readonly file?: string }
type Asked = Options & {
  readonly user: string | undefined
  readonly permission: string | undefined
}

/** `permctl check`: exit code 0 when all is allowed, 1 when anything is denied. */
export function addCheck(program: Command, run: Run): void {
  const command = program
    .command('check')
    .description('whether a user may do something; exit code 0 for yes, 1 for no')
    .argument('[user]', 'id or email; an OAuth client by id')
    .argument('[permission]', 'domain:entity:action, or a flat permission')
    .option('--division <division>', 'count only what reaches this division: id or name')
    .option('--attributes <json>', 'values for conditions: {"Queue.id": "…"}')
    .option(
      '--file <file>',
      'many checks: CSV, JSON or NDJSON with user, permission, division; - for stdin',
    )
    .action((user: string | undefined, permission: string | undefined, options: Options) => {
      return run((session) => check(session, { ...options, user, permission }))
    })
  addExamples(command, [
    'permctl check alice@example.com routing:queue:view',
    'permctl check alice@example.com routing:queue:edit --division Sales && echo may edit',
    `permctl check alice@example.com quality:evaluation:edit --attributes '{"Evaluation.released": true}'`,
    'permctl check --file checks.csv --output csv > answers.csv',
  ])
}

const COLUMNS: readonly Column<Decision>[] = [
  { name: 'user', value: ({ user }) => user },
  { name: 'permission', value: ({ permission }) => permission, whole: true },
  { name: 'division', value: ({ division }) => division },
  { name: 'allowed', value: ({ allowed }) => allowed },
  { name: 'reason', value: ({ reason }) => reason },
]

async function check(session: Session, asked: Asked): Promise<ExitCode> {
  return asked.file === undefined
    ? await checkOne(session, oneCheck(asked))
    : await checkFile(session, asked.file, asked)
}

function oneCheck({ user, permission, division, attributes: json }: Asked): AskedCheck {
  if (user === undefined || permission === undefined) {
    throw new Failure('invalid', 'a user and a permission are needed, or --file')
  }
  const attributes = json === undefined ? undefined : readAttributes(json)
  return {
    user,
    permission,
    ...(division === undefined ? {} : { division }),
    ...(attributes === undefined ? {} : { attributes }),
  }
}

async function checkOne(session: Session, one: AskedCheck): Promise<ExitCode> {
  for await (const decision of decide(session, [one])) {
    await session.output.document(decision, { columns: COLUMNS, text: verdict })
    return decision.allowed ? EXIT.done : EXIT.denied
  }
  throw new Failure('upstream-broken', 'the check was not answered')
}

function verdict({ allowed, reason = '' }: Decision): readonly string[] {
  return [allowed ? 'allowed' : `denied: ${reason}`]
}

async function checkFile(session: Session, file: string, asked: Asked): Promise<ExitCode> {
  if (asked.user !== undefined || asked.attributes !== undefined) {
    const message = '--file has users, permissions and attributes in it: leave them out here'
    throw new Failure('invalid', message)
  }
  const checks = readChecks(await readInput(session, file), asked.division)
  const decisions = decide(session, checks)
  let [answered, denied] = [0, 0]
  // By hand: a listing that ends early, because nobody reads it, must not end the deciding.
  const counted = async function* (): AsyncGenerator<Decision> {
    for (;;) {
      const next = await decisions.next()
      if (next.done === true) return
      answered += 1
      if (!next.value.allowed) denied += 1
      yield next.value
    }
  }
  await session.output.rows(counted(), COLUMNS)
  // The exit code is of all checks; it is known once one is denied.
  if (denied === 0) {
    for await (const { allowed } of counted()) if (!allowed) return EXIT.denied
  }
  if (denied === 0 && answered < checks.length) {
    throw new Failure('upstream-broken', 'not every check was answered')
  }
  return denied === 0 ? EXIT.done : EXIT.denied
}
