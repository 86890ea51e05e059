import type { Command } from 'commander'
import { test } from 'tap'
import { EXIT } from '../../src/cli/exit-codes.ts'
import { buildProgram } from '../../src/cli/program.ts'
import { PERMCTL_VARIABLES } from '../../src/cli/variables.ts'
import { permctl, permctlInTerminal } from './support/permctl.ts'
import { readText } from '../operations/support/repository.ts'

const { version } = JSON.parse(readText('package.json')) as { version: string }

type Named = { readonly name: string; readonly command: Command }

/** Every command that help shows, with the words that lead to it. */
function commandsOf(command: Command, words: readonly string[] = []): readonly Named[] {
  const visible = command.createHelp().visibleCommands(command)
  const below = visible.filter((each) => each.name() !== 'help')
  return [
    { name: words.join(' ') || 'permctl', command },
    ...below.flatMap((each) => commandsOf(each, [...words, each.name()])),
  ]
}

/** What `--help` prints. */
function helpOf(command: Command): string {
  let help = ''
  command.configureOutput({ writeOut: (text) => void (help += text) })
  command.outputHelp()
  return help
}

const program = buildProgram(
  async () => undefined,
  () => undefined,
)
const commands = commandsOf(program)

test('every command has a description, examples, and a word on each option and argument', (t) => {
  t.ok(commands.length > 6, 'the commands were found')
  for (const { name, command } of commands) {
    t.not(command.description(), '', name)
    for (const { flags, description } of command.options) t.not(description, '', `${name} ${flags}`)
    for (const argument of command.registeredArguments) {
      t.not(argument.description, '', `${name} ${argument.name()}`)
    }
    const help = helpOf(command)
    const [, examples = ''] = help.split('\nExamples:\n')
    t.match(examples, new RegExp(`^ {2}\\$ .*permctl ${name === 'permctl' ? '' : name}`), name)
  }
  t.end()
})

test('examples name commands and options that exist', (t) => {
  for (const { name, command } of commands) {
    const [, examples = ''] = helpOf(command).split('\nExamples:\n')
    for (const [, line = ''] of examples.matchAll(/^ {2}\$ (?:.*\| )?permctl (.*)$/gm)) {
      const [words = ''] = line.split(/ [|>&]/)
      const named = commands.filter((each) => words.startsWith(each.name))
      const target = named.toSorted((a, b) => b.name.length - a.name.length)[0]?.command ?? program
      const options = [...target.options, ...program.options]
      const known = new Set(['--help', ...options.flatMap(({ long, short }) => [long, short])])
      for (const [option] of words.matchAll(/(?<= )--?[a-z][a-z-]*/g)) {
        t.ok(known.has(option), `${name}: ${option} in ${words}`)
      }
      // A group shows what its commands do.
      if (command.commands.length === 0) t.equal(target.name(), command.name(), words)
    }
  }
  t.end()
})

test('what is no command line is 2, names what is wrong, and suggests', async (t) => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['chek'], /unknown command 'chek'\n\(Did you mean check\?\)/],
    [
      ['check', 'a', 'b', '--divison', 'x'],
      /unknown option '--divison'\n\(Did you mean --division\?\)/,
    ],
    [['health', 'extra'], /too many arguments/],
    [['explain', 'a'], /missing required argument 'permission'/],
    [['check'], /a user and a permission are needed/],
    [['check', 'a', 'b', '--file', 'x'], /leave them out/],
    [['health', '--output', 'xml'], /Allowed choices are table, json, csv, ndjson/],
    [['health', '--timeout', '0'], /whole number from 1 to 3600/],
    [['who-can', 'x', '--limit', '-1'], /whole number/],
    [[], /a command is missing/],
  ]
  const answers = await Promise.all(cases.map(([words]) => permctl(words)))
  for (const [index, { code, stdout, stderr }] of answers.entries()) {
    const [words, pattern] = cases[index] ?? [[], /./]
    t.equal(code, 2, words.join(' '))
    t.equal(stdout, '')
    t.match(stderr, pattern)
  }
})

test('help and version come on standard output and are 0', async (t) => {
  const answers = [['--help'], ['check', '--help'], ['help', 'who-can'], ['--version']]
  for (const words of answers) {
    const { code, stdout, stderr } = await permctl(words)
    t.equal(code, 0, words.join(' '))
    t.equal(stderr, '')
    if (words[0] === '--version') t.equal(stdout, `${version}\n`)
    else t.match(stdout, /Usage: permctl[\s\S]*--profile <name>[\s\S]*Examples:/)
  }
  using terminal = permctlInTerminal(['--help'])
  t.equal(await terminal.exited, 0)
  t.match(terminal.shown(), /Exit codes:\n {2}0 +done/)
})

test('errors are one line of JSON where JSON was asked for by name', async (t) => {
  const { code, stderr } = await permctl(['check', 'a', 'b', '--output', 'ndjson'])
  t.equal(code, 2)
  t.match(JSON.parse(stderr), { error: { code: 'invalid', message: /missing/, exitCode: 2 } })
})

/** Cells of the table in docs/permctl.md whose first heading this is. */
function documented(heading: string): readonly (readonly string[])[] {
  const lines = readText('docs/permctl.md').split('\n')
  const start = lines.findIndex((line) => line.startsWith(`| ${heading} `)) + 2
  const rows = lines.slice(start)
  const end = rows.findIndex((line) => !line.startsWith('|'))
  return rows.slice(0, end < 0 ? rows.length : end).map((row) => {
    const cells = row.slice(1, -1).split('|')
    return cells.map((cell) => cell.trim().replaceAll('`', ''))
  })
}

test('the page on permctl has the variables and exit codes that there are', (t) => {
  type Variable = {
    readonly description: string
    readonly default?: string
    readonly secret?: true
  }
  const variables: readonly [string, Variable][] = Object.entries(PERMCTL_VARIABLES)
  t.same(
    documented("permctl's variable"),
    variables.flatMap(([name, { description, secret, default: standard = '' }]) => {
      const asFile = [`${name}_FILE`, '', 'The same, as the path of a file']
      return [[name, standard, description], ...(secret ? [asFile] : [])]
    }),
  )
  const codes = documented('exit code').map(([code]) => Number(code))
  t.same(codes, [...Object.values(EXIT), 130])
  t.end()
})
