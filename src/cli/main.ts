#!/usr/bin/env node
import { fstatSync } from 'node:fs'
import { isatty } from 'node:tty'
import { lastWords } from './error-report.ts'
import { EXIT } from './exit-codes.ts'
import { fileSink } from './file-sink.ts'
import { Interruption } from './interruption.ts'
import { runCommandLine } from './run-command-line.ts'

// Node would end with 1, which says "denied"; an unhandled rejection comes here too.
process.on('uncaughtException', (error) => {
  process.stderr.write(lastWords(error))
  process.exit(EXIT.upstream)
})

const stop = new AbortController()
const atOnce = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    const interruption = new Interruption(signal)
    // Whoever asks twice does not want to wait for what is under way.
    if (stop.signal.aborted) {
      atOnce.abort(interruption)
      process.exit(interruption.exitCode)
    }
    stop.abort(interruption)
  })
}

process.exitCode = await runCommandLine(process.argv.slice(2), {
  env: process.env,
  folder: process.cwd(),
  stdin: process.stdin,
  stdout: isFile(1) ? fileSink(1) : process.stdout,
  stderr: process.stderr,
  signal: stop.signal,
  atOnce: atOnce.signal,
})

/** A file or a device, as opposed to a terminal, a pipe and what is closed. */
function isFile(descriptor: number): boolean {
  if (isatty(descriptor)) return false
  const stats = fstatSync(descriptor)
  return stats.isFile() || stats.isCharacterDevice()
}
