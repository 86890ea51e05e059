import { CommanderError } from 'commander'
import { Failure } from '../domain/failure.ts'
import { lastWords, reportError } from './error-report.ts'
import { EXIT, exitCodeOf } from './exit-codes.ts'
import type { GlobalOptions } from './global-options.ts'
import { Interruption } from './interruption.ts'
import { OutputStream } from './output-stream.ts'
import { buildProgram } from './program.ts'
import { Session } from './session.ts'
import type { Surroundings } from './session.ts'

/**
 * Parses the words behind `permctl`, does what they say, and gives the code to end with. Never
 * throws: what Node itself ends with is 1, which would say "denied".
 */
export async function runCommandLine(
  words: readonly string[],
  surroundings: Surroundings,
): Promise<number> {
  try {
    return await runReported(words, surroundings)
  } catch (error) {
    surroundings.stderr.write(lastWords(error))
    return EXIT.upstream
  }
}

async function runReported(words: readonly string[], surroundings: Surroundings): Promise<number> {
  const stderr = new OutputStream(surroundings.stderr)
  const stdout = new OutputStream(surroundings.stdout)
  const texts: string[] = []
  let exitCode: number = EXIT.done
  let resumption: string | undefined
  const program = buildProgram(
    async (work) => {
      await using session = new Session(surroundings, program.opts<GlobalOptions>(), stderr)
      try {
        exitCode = await work(session)
      } finally {
        ;({ resumption } = session)
      }
    },
    (text) => void texts.push(text),
  )
  try {
    await program.parseAsync(words, { from: 'user' })
    await stdout.write(texts.join(''))
  } catch (error) {
    const failure = failureOf(error)
    const interruption = [failure, surroundings.signal.reason].find(isInterruption)
    if (failure === undefined) await stdout.write(texts.join(''))
    else if (interruption) {
      const advice = resumption ?? 'nothing is left half done: run the command again'
      await stderr.write(`${interruption.message}: ${advice}\n`)
      exitCode = interruption.exitCode
    } else {
      exitCode = exitCodeOf(failure)
      const { output } = program.opts<GlobalOptions>()
      const asJson = output === 'json' || output === 'ndjson'
      await reportError(stderr, failure, { exitCode, asJson })
    }
  }
  return exitCode
}

function isInterruption(reason: unknown): reason is Interruption {
  return reason instanceof Interruption
}

/** Help and version come as errors too: what was asked for, and no failure. */
function failureOf(error: unknown): unknown {
  if (!(error instanceof CommanderError)) return error
  if (error.exitCode === 0) return undefined
  if (error.code === 'commander.help') {
    return new Failure('invalid', 'a command is missing: see permctl --help')
  }
  const message = error.message.replace(/^error: /, '')
  return new Failure('invalid', `${message}\nsee permctl --help, or --help behind a command`)
}
