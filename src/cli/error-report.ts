import { Failure } from '../domain/failure.ts'
import type { OutputStream } from './output-stream.ts'
import { printable, printableJson, printableLines } from './printable.ts'
import { ServiceProblem } from './service-problem.ts'

/** Faults of a request that are shown one by one. */
const SHOWN_FAULTS = 20
const MAX_LAST_WORDS = 1_000

/**
 * An error on standard error: for people in lines; as one line of JSON where `--output json` or
 * `ndjson` was asked for by name, `{"error": {code, message, field?, faults?, requestId?, upstream?,
 * exitCode}}`.
 */
export async function reportError(
  stderr: OutputStream,
  error: unknown,
  { exitCode, asJson }: { readonly exitCode: number; readonly asJson: boolean },
): Promise<void> {
  if (asJson) {
    await stderr.write(`${printableJson({ error: { ...describe(error), exitCode } })}\n`)
    return
  }
  const [first = '', ...rest] = linesOf(error)
  const label = stderr.style('red', 'error:')
  const lines = [`${label} ${printableLines(first)}`, ...rest.map((line) => `  ${printable(line)}`)]
  await stderr.write(`${lines.join('\n')}\n`)
}

/** The one line that is left where nothing else can be relied on any longer. */
export function lastWords(error: unknown): string {
  const what = error instanceof Error ? `${error.name}: ${error.message}` : 'not an Error'
  return `error: something went wrong in permctl itself; please report it: ${printable(what.slice(0, MAX_LAST_WORDS))}\n`
}

function linesOf(error: unknown): readonly string[] {
  if (!(error instanceof Failure)) {
    return ['something went wrong in permctl itself; please report it', stackOf(error)]
  }
  const { message, field, faults = [], upstream } = error
  const inMessage = field === undefined || message.includes(field)
  const lines = [inMessage ? message : `${message} (${field})`]
  for (const { field: place, message: fault, suggestion } of faults.slice(0, SHOWN_FAULTS)) {
    lines.push(`${place}: ${fault}${suggestion === undefined ? '' : `; try ${suggestion}`}`)
  }
  if (faults.length > SHOWN_FAULTS) lines.push(`and ${faults.length - SHOWN_FAULTS} more`)
  if (upstream !== undefined && upstream.correlationId !== '') {
    const { status, code, correlationId } = upstream
    const answer = code === '' ? `${status}` : `${status} ${code}`
    lines.push(`platform: ${answer}, correlation id ${correlationId}`)
  }
  if (error instanceof ServiceProblem) lines.push(`request id ${error.requestId}`)
  return lines
}

/** Name, message and place: what else an error holds may be a request with its key. */
function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : 'not an Error'
}

function describe(error: unknown): Record<string, unknown> {
  if (!(error instanceof Failure)) return { code: 'internal', message: stackOf(error) }
  const { code, message, field, faults, retryAfterSeconds, upstream, undecided } = error
  const requestId = error instanceof ServiceProblem ? error.requestId : undefined
  return {
    ...{ code, message, field, faults, retryAfterSeconds, upstream, requestId },
    ...(undecided ? { undecided } : {}),
  }
}
