import type { Config } from '../config.ts'
import { openMetadata } from '../http/authzen/metadata.ts'
import type { Metadata } from '../http/authzen/metadata.ts'
import type { Logger } from '../observability/logger.ts'
import { readTlsPair } from '../worker/tls-files.ts'
import type { TlsPair } from '../worker/tls-files.ts'

/** How the check listener speaks, and what it says of itself. */
export type CheckListener = {
  readonly tls: TlsPair | undefined
  readonly metadata: Metadata | undefined
}

/** Reads certificate and signing key. Throws `invalid` for files that cannot be used. */
export async function readCheckListener(config: Config, logger: Logger): Promise<CheckListener> {
  return {
    tls: config.check.tls && (await readTlsPair(config.check.tls)),
    metadata: await openMetadata(config.authzen, logger),
  }
}
