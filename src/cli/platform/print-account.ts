import { permissionText, readAccount } from '../../genesys/command-permissions.ts'
import type { Account, CheckedNeed } from '../../genesys/command-permissions.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import type { Session } from '../session.ts'

const TEXTS = {
  held: 'yes',
  elsewhere: 'in some divisions only',
  missing: 'MISSING',
  unknown: 'the platform does not tell',
} as const

type Shown = Account & { readonly apiUrl: string }

/** Prints whose clients these are and what each command lacks; 1 when that is anything. */
export async function printAccount(session: Session): Promise<ExitCode> {
  const { platform } = await session.connect(['platform'])
  const account = await readAccount(platform, session.signal)
  const shown: Shown = { apiUrl: platform.apiUrl, ...account }
  if (session.output.format === 'csv') {
    await session.output.rows(account.needs, [
      { name: 'command', value: ({ command }) => command },
      { name: 'permission', value: permissionText },
      { name: 'neededFor', value: ({ neededFor }) => neededFor },
      { name: 'state', value: ({ state }) => state },
    ])
  } else await session.output.document(shown, { columns: [], text: linesOf })
  const lacking = account.needs.some(({ state }) => state === 'missing' || state === 'elsewhere')
  return lacking ? EXIT.denied : EXIT.done
}

function linesOf({ apiUrl, organization, clientId, writeClientId, needs }: Shown): string[] {
  const commands = [...new Set(needs.map(({ command }) => command))]
  return [
    `organisation  ${organization.name} (${organization.id})`,
    `at            ${apiUrl}`,
    `client        ${clientId}`,
    ...(writeClientId === undefined ? [] : [`for changes   ${writeClientId}`]),
    ...commands.flatMap((command) => [
      '',
      command,
      ...needs.filter((need) => need.command === command).map(needLine),
    ]),
  ]
}

function needLine(need: CheckedNeed): string {
  return `  ${need.neededFor}: ${permissionText(need)}: ${TEXTS[need.state]}`
}
