import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { spawn as spawnInTerminal } from '@lydell/node-pty'
import { until } from '../../end-to-end/support/until.ts'

export const PERMCTL = join(import.meta.dirname, '../../../bin/permctl')

export type Env = Readonly<Record<string, string>>

export type PipeOptions = {
  readonly env?: Env
  readonly stdin?: string | Uint8Array
  /** Where `.env.NAME` and relative paths are. */
  readonly folder?: string
  readonly program?: string
}

export type Ended = {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs permctl in a pipe to its end, with nothing in its environment but what is given. */
export async function permctl(words: readonly string[], options: PipeOptions = {}): Promise<Ended> {
  const child = startPermctl(words, options)
  child.stdin.end(options.stdin ?? '')
  // A child that reads no input has ended before it is written.
  child.stdin.on('error', () => undefined)
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ])
  return { code, stdout, stderr }
}

/** The same while it runs. */
export function startPermctl(
  words: readonly string[],
  { env = {}, folder, program = PERMCTL }: PipeOptions,
) {
  const { PATH = '' } = process.env
  // tap makes every child load its own modules: this one is as users run it.
  return spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, program, ...words], {
    ...(folder === undefined ? {} : { cwd: folder }),
    env: { PATH, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
}

export type Terminal = Disposable & {
  /** All that was shown, as it was sent. */
  raw(): string
  /** Without colours and cursor movements, line ends as everywhere else. */
  shown(): string
  type(text: string): void
  until(pattern: RegExp): Promise<string>
  readonly exited: Promise<number>
}

export type TerminalOptions = {
  readonly env?: Env
  readonly columns?: number
  readonly folder?: string
  /** What runs in the terminal instead of permctl. */
  readonly program?: string
}

/** What is left of lines that were erased and written anew. */
function afterErasures(output: string): string {
  const lines = output.replaceAll('\r\n', '\n').split('\n')
  return lines.map((line) => line.split('\r\u001b[2K').at(-1)).join('\n')
}

/** Runs permctl in a pseudo-terminal: it is its standard input, output and error. */
export function permctlInTerminal(
  words: readonly string[],
  { env = {}, columns = 100, folder = process.cwd(), program }: TerminalOptions = {},
): Terminal {
  const { PATH = '' } = process.env
  const command = program === undefined ? [PERMCTL, ...words] : [...words]
  const child = spawnInTerminal(program ?? process.execPath, command, {
    name: 'xterm-256color',
    cols: columns,
    rows: 40,
    cwd: folder,
    env: { PATH, TERM: 'xterm-256color', ...env },
  })
  let output = ''
  child.onData((data) => void (output += data))
  const exited = new Promise<number>((resolve) => {
    child.onExit(({ exitCode }) => resolve(exitCode))
  })
  const shown = (): string => stripVTControlCharacters(afterErasures(output))
  let gone = false
  void exited.then(() => (gone = true))
  return {
    raw: () => output,
    shown,
    type: (typed) => child.write(typed),
    until: async (pattern) => {
      await until(`the terminal shows ${pattern}`, () => gone || pattern.test(shown()))
      return shown()
    },
    exited,
    [Symbol.dispose]() {
      if (!gone) child.kill('SIGKILL')
    },
  }
}
