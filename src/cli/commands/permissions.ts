import type { Command } from 'commander'
import type { HeldPermission } from '../../domain/listing.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import { addExamples, addLimit } from '../global-options.ts'
import { describePath, readPaths } from '../grant-path.ts'
import { openQuestion } from '../question.ts'
import { reader } from '../service-answer.ts'
import type { Reader } from '../service-answer.ts'
import type { Run, Session } from '../session.ts'

type Options = { readonly division?: string; readonly limit?: number }

/** `permctl permissions`: what a check would allow a user. */
export function addPermissions(program: Command, run: Run): void {
  const command = program
    .command('permissions')
    .description('what a user may do, and by which roles')
    .argument('<user>', 'id or email; an OAuth client by id')
    .option('--division <division>', 'count only what reaches this division: id or name')
    .action((user: string, options: Options) => {
      return run((session) => permissions(session, user, options))
    })
  addLimit(command)
  addExamples(command, [
    'permctl permissions alice@example.com',
    'permctl permissions alice@example.com --division Sales --output ndjson | jq -r .permission',
  ])
}

async function permissions(
  session: Session,
  user: string,
  { division, limit }: Options,
): Promise<ExitCode> {
  const { check, userId, divisionId } = await openQuestion(session, { user, division })
  const path = `/api/v1/users/${encodeURIComponent(userId)}/permissions`
  const held = check.items(path, readHeld, { query: { divisionId }, limit })
  await session.output.rows(held, [
    { name: 'permission', value: ({ permission }) => permission, whole: true },
    { name: 'conditional', value: ({ conditional }) => (conditional ? 'yes' : '') },
    { name: 'by', value: ({ sources }) => sources.map(describePath) },
    { name: 'label', value: ({ label }) => label },
  ])
  return EXIT.done
}

const readMembers = reader({
  permission: 'string',
  label: 'string',
  conditional: 'boolean',
  sources: 'list',
})

const readHeld: Reader<HeldPermission> = (answer, where) => {
  const held = readMembers(answer, where)
  readPaths(held.sources, where)
  return held as unknown as HeldPermission
}
