import { Command, InvalidArgumentError, Option } from 'commander'
import { FORMATS } from './output.ts'
import type { Format } from './output.ts'

/** Options that every command takes, before or after its name. */
export type GlobalOptions = {
  readonly profile?: string
  readonly environment?: string
  readonly output?: Format
  readonly checkUrl?: string
  readonly adminUrl?: string
  /** Seconds. */
  readonly timeout: number
  readonly yes?: boolean
}

const DEFAULT_TIMEOUT_SECONDS = 30
const MAX_TIMEOUT_SECONDS = 3_600

export function addGlobalOptions(program: Command): void {
  const format = new Option(
    '-o, --output <format>',
    'form of results (default: table on a terminal, else json)',
  )
  program
    .option('--profile <name>', 'take settings from .env.NAME in this folder')
    .option(
      '--environment <region>',
      'region of the organisation: us, eu, ap, an AWS name or a host',
    )
    .addOption(format.choices(FORMATS))
    .option('--check-url <url>', 'URL of the check plane (PERMCTL_CHECK_URL)')
    .option('--admin-url <url>', 'URL of the admin plane (PERMCTL_ADMIN_URL)')
    .option(
      '--timeout <seconds>',
      'bound of one request',
      wholeNumber(1, MAX_TIMEOUT_SECONDS),
      DEFAULT_TIMEOUT_SECONDS,
    )
    .option('-y, --yes', 'do not ask before something is destroyed')
}

const MAX_LIMIT = 10_000_000

/** `--limit`, for commands that list. */
export function addLimit(command: Command): void {
  command.option('--limit <count>', 'list at most so many', wholeNumber(1, MAX_LIMIT))
}

/** `--dry-run`, for commands that change something; exit code 1 says that they would. */
export function addDryRun(command: Command): void {
  command.option('--dry-run', 'only say what would be done; exit code 1 when it is anything')
}

/** A parser of an option's value; commander says whose. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= least && value <= most) return value
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`)
  }
}

/** Shows how a command is used, below its help. */
export function addExamples(command: Command, examples: readonly string[]): Command {
  const lines = examples.map((example) => `  $ ${example}`)
  return command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`)
}
