import { once } from 'node:events'
import { readConfig } from './config.ts'
import { Failure } from './domain/failure.ts'
import { createLogger, describeError } from './observability/logger.ts'
import { createService } from './service.ts'

/** What is in flight at a signal is finished; what then still holds on is cut off. */
const LAST_RESORT_MS = 30_000

const stop = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    stop.abort()
    setTimeout(() => process.exit(1), LAST_RESORT_MS).unref()
  })
}

try {
  const config = readConfig(process.env)
  await using service = await createService(config)
  await service.start(stop.signal)
  if (!stop.signal.aborted) await once(stop.signal, 'abort')
} catch (error) {
  if (!stop.signal.aborted) {
    // One line that says what to change; a stack only for what is a bug.
    if (error instanceof Failure) process.stderr.write(`cannot start: ${error.message}\n`)
    else createLogger('error').fatal({ err: describeError(error) }, 'the service failed')
    process.exitCode = 1
  }
}
