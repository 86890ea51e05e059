#!/usr/bin/env node
import { lastWords } from './error-report.ts'
import { EXIT } from './exit-codes.ts'
import { Interruption } from './interruption.ts'
import { runCommandLine } from './run-command-line.ts'

// Node would end with 1, which says "denied"; an unhandled rejection comes here too.
process.on('uncaughtException', (error) => {
  process.stderr.write(lastWords(error))
  process.exit(EXIT.upstream)
})

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
