import { execFileSync, fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { LoadOrder, LoadReport } from './load-client.ts'

/** Core of the measured server, and of everything else. Only where `taskset` and two cores are. */
export const SERVER_CORE = 0
export const OTHER_CORE = 1

export const pinning = canPin()

function canPin(): boolean {
  if (availableParallelism() < 2) return false
  try {
    execFileSync('taskset', ['-cp', String(process.pid)], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

export type StartOptions = {
  readonly core?: number
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly nodeArgs?: readonly string[]
}

/** Starts a file of this folder as a process, pinned to a core where that can be done. */
export function startProcess(file: string, options: StartOptions = {}): ChildProcess {
  const child = fork(join(import.meta.dirname, file), [...(options.args ?? [])], {
    env: { ...process.env, ...options.env },
    execArgv: [...(options.nodeArgs ?? [])],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced',
  })
  if (pinning && options.core !== undefined && child.pid !== undefined) {
    execFileSync('taskset', ['-acp', String(options.core), String(child.pid)], { stdio: 'ignore' })
  }
  return child
}

/** The next message of a process; rejects when it ends or says nothing in time. */
export async function nextMessage<Message>(child: ChildProcess, ms = 120_000): Promise<Message> {
  const answered = new AbortController()
  const signal = AbortSignal.any([answered.signal, AbortSignal.timeout(ms)])
  const ended = once(child, 'exit', { signal }).then(([code]) => {
    throw new Error(`the process ended with ${code}`)
  })
  ended.catch(() => undefined)
  try {
    const [message] = (await Promise.race([once(child, 'message', { signal }), ended])) as [Message]
    return message
  } finally {
    answered.abort()
  }
}

export async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
  await exited
  clearTimeout(timer)
}

/**
 * Runs one load from a process of its own: beside a server that is pinned, on the other core; a
 * steady rate wherever there is room, for its latencies are not to tell who else is on that core.
 */
export async function runLoad(order: LoadOrder): Promise<LoadReport> {
  const client = startProcess('load-client.ts', order.rate > 0 ? {} : { core: OTHER_CORE })
  try {
    client.send(order)
    return await nextMessage<LoadReport>(client)
  } finally {
    await stopProcess(client)
  }
}

/**
 * Seconds of processor time that a process has used, all its threads together; undefined where
 * `/proc` does not tell.
 */
export function cpuSeconds(pid: number | undefined): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // After the name in brackets: user and system time are the 12th and 13th of what follows.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
  } catch {
    return undefined
  }
}

/** `sysconf(_SC_CLK_TCK)` of every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2
}
