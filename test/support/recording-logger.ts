import { createLogger } from '../../src/observability/logger.ts'
import type { Logger } from '../../src/observability/logger.ts'

export type LogLine = { readonly level: number; readonly msg: string } & Record<string, unknown>

/** The real logger, writing into a list. */
export function recordingLogger(): { readonly logger: Logger; readonly lines: LogLine[] } {
  const lines: LogLine[] = []
  const write = (line: string): void => {
    lines.push(JSON.parse(line) as LogLine)
  }
  return { logger: createLogger('trace', { write }), lines }
}
