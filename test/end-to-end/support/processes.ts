import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { Caller } from './caller.ts'
import { until } from './until.ts'

const ROOT = join(import.meta.dirname, '../../..')

type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null }

export type Program = AsyncDisposable & {
  readonly child: ChildProcess
  readonly exited: Promise<Exit>
  stdout(): string
  stderr(): string
}

/** Runs a program of the repository with nothing in its environment but what is given. */
export function startProgram(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Program {
  const { PATH = '' } = process.env
  // tap makes every child load its own modules, which catch signals: this child is as users run it.
  const child = spawn('env', ['-u', 'NODE_OPTIONS', ...command], {
    cwd: ROOT,
    env: { PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => void (output.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => void (output.stderr += text))
  // Closed, not only ended: by then all that it wrote has arrived.
  const exited = once(child, 'close').then(([code, signal]): Exit => ({ code, signal }))
  return {
    child,
    exited,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

export type ServiceProcess = Program & { readonly caller: Caller; lines(): Line[] }

type Line = { readonly msg: string } & Readonly<Record<string, unknown>>

/** The service as it is run, up to the moment at which it listens. */
export async function startServiceProcess(
  env: Readonly<Record<string, string>>,
  command: readonly string[] = [process.execPath, 'src/main.ts'],
): Promise<ServiceProcess> {
  const program = startProgram(command, env)
  const lines = (): Line[] => {
    const whole = program.stdout().split('\n').slice(0, -1)
    return whole.map((line) => JSON.parse(line) as Line)
  }
  let gone = false
  void program.exited.then(() => (gone = true))
  const listening = await until('the service listens', () => {
    return gone || lines().find((line) => line.msg === 'listening')
  })
  if (typeof listening === 'boolean') throw new Error(`it ended: ${program.stderr()}`)
  const { check: checkUrl, admin: adminUrl } = listening as unknown as Record<string, string>
  if (checkUrl === undefined || adminUrl === undefined) throw new Error('it does not say where')
  return { ...program, caller: new Caller({ checkUrl, adminUrl }), lines }
}
