import { CommanderError } from 'commander'
import { Failure } from '../domain/failure.ts'
import { lastWords, reportError } from './error-report.ts'
import { EXIT, exitCodeOf, PartialFailure } from './exit-codes.ts'
import type { GlobalOptions } from './global-options.ts'
import { Interruption } from './interruption.ts'
import { OutputFailure, OutputStream } from './output-stream.ts'
import { adviseOnPlatform } from './platform-advice.ts'
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
  let opened: Session | undefined
  const program = buildProgram(
    async (work) => {
      const options = program.opts<GlobalOptions>()
      await using session = new Session(surroundings, options, { stdout, stderr })
      opened = session
      exitCode = await work(session)
    },
    (text) => void texts.push(text),
  )
  const { atOnce } = surroundings
  atOnce.addEventListener('abort', () => {
    opened?.tellAtOnce()
    stderr.writeAtOnce(farewell(atOnce.reason as Interruption, opened?.resumption))
  })
  try {
    await program.parseAsync(words, { from: 'user' }).catch((error: unknown) => {
      if (!isHelp(error)) throw error
    })
    await stdout.write(texts.join(''))
    await stdout.flush()
  } catch (error) {
    const failure = failureOf(error, opened)
    const interruption = [failure, surroundings.signal.reason].find(isInterruption)
    if (interruption) {
      const text = farewell(interruption, opened?.resumption)
      await stderr.write(text).catch(unlessUnwritable)
      return interruption.exitCode
    }
    exitCode = exitCodeOf(failure)
    const { output } = program.opts<GlobalOptions>()
    const asJson = output === 'json' || output === 'ndjson'
    await reportError(stderr, failure, { exitCode, asJson }).catch(unlessUnwritable)
  }
  return exitCode
}

function farewell({ message }: Interruption, resumption: string | undefined): string {
  return `${message}: ${resumption ?? 'nothing is left half done: run the command again'}\n`
}

/** An error that cannot be told is told by the exit code. */
function unlessUnwritable(error: unknown): void {
  if (!(error instanceof OutputFailure)) throw error
}

function isInterruption(reason: unknown): reason is Interruption {
  return reason instanceof Interruption
}

/** Help and version come as errors too: what was asked for, and no failure. */
function isHelp(error: unknown): boolean {
  return error instanceof CommanderError && error.exitCode === 0
}

/** The error with what to do next, as far as the command that met it knows. */
function failureOf(error: unknown, session: Session | undefined): unknown {
  if (error instanceof OutputFailure) {
    const { resumption } = session ?? {}
    return resumption === undefined ? error : advised(error, resumption)
  }
  const { platformPlace } = session ?? {}
  if (error instanceof Failure && !(error instanceof PartialFailure) && platformPlace) {
    const advice = adviseOnPlatform(error, platformPlace)
    return advice === undefined ? error : advised(error, advice)
  }
  if (!(error instanceof CommanderError)) return error
  if (error.code === 'commander.help') {
    return new Failure('invalid', 'a command is missing: see permctl --help')
  }
  const message = error.message.replace(/^error: /, '')
  return new Failure('invalid', `${message}\nsee permctl --help, or --help behind a command`)
}

function advised(failure: Failure, advice: string): Failure {
  const { code, message, field, faults, retryAfterSeconds, upstream, undecided } = failure
  const details = { field, faults, retryAfterSeconds, upstream, undecided }
  return new Failure(code, `${message}; ${advice}`, details)
}
