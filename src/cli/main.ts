#!/usr/bin/env node
import { Interruption } from './interruption.ts'
import { runCommandLine } from './run-command-line.ts'

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    const interruption = new Interruption(signal)
    // Whoever asks twice does not want to wait for what is under way.
    if (stop.signal.aborted) process.exit(interruption.exitCode)
    stop.abort(interruption)
  })
}

process.exitCode = await runCommandLine(process.argv.slice(2), {
  env: process.env,
  folder: process.cwd(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  signal: stop.signal,
})
