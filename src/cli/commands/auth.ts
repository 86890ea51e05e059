import type { Command } from 'commander'
import { addExamples } from '../global-options.ts'
import type { Run } from '../session.ts'

/** `permctl auth`: who we are to the platform. */
export function addAuth(program: Command, run: Run): void {
  const command = program
    .command('auth')
    .description(
      'organisation and client on the platform, and which permissions commands lack; exit code 1 when any does',
    )
    .action(() => {
      return run(async (session) => {
        const { printAccount } = await import('../platform/print-account.ts')
        return printAccount(session)
      })
    })
  addExamples(command, [
    'permctl auth --environment eu',
    `permctl auth --output json | jq '.needs[] | select(.state == "missing")'`,
  ])
}
