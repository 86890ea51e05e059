import type { Command } from 'commander'
import type { Holder } from '../../domain/listing.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import { addExamples, addLimit } from '../global-options.ts'
import { describePath, readPaths } from '../grant-path.ts'
import { openQuestion } from '../question.ts'
import { reader } from '../service-answer.ts'
import type { Reader } from '../service-answer.ts'
import type { Run, Session } from '../session.ts'

type Options = { readonly division?: string; readonly limit?: number }

/** `permctl who-can`: users and clients that a check would allow. */
export function addWhoCan(program: Command, run: Run): void {
  const command = program
    .command('who-can')
    .description('who may do something, and by which roles')
    .argument('<permission>', 'domain:entity:action, or a flat permission')
    .option('--division <division>', 'count only what reaches this division: id or name')
    .action((permission: string, options: Options) => {
      return run((session) => whoCan(session, permission, options))
    })
  addLimit(command)
  addExamples(command, [
    'permctl who-can routing:queue:edit --division Sales',
    'permctl who-can recording:recording:view --output csv > viewers.csv',
  ])
}

async function whoCan(
  session: Session,
  permission: string,
  { division, limit }: Options,
): Promise<ExitCode> {
  const { check, divisionId } = await openQuestion(session, { division })
  const path = `/api/v1/permissions/${encodeURIComponent(permission)}/users`
  const holders = check.items(path, readHolder, { query: { divisionId }, limit })
  await session.output.rows(holders, [
    { name: 'name', value: ({ name }) => name },
    { name: 'email', value: ({ email }) => email },
    { name: 'kind', value: ({ kind }) => kind },
    { name: 'conditional', value: ({ conditional }) => (conditional ? 'yes' : '') },
    { name: 'by', value: ({ sources }) => sources.map(describePath) },
    { name: 'id', value: ({ id }) => id, whole: true },
  ])
  return EXIT.done
}

const readMembers = reader({
  id: 'string',
  kind: 'string',
  name: 'string',
  email: 'string',
  conditional: 'boolean',
  sources: 'list',
})

const readHolder: Reader<Holder> = (answer, where) => {
  const holder = readMembers(answer, where)
  readPaths(holder.sources, where)
  return holder as unknown as Holder
}
