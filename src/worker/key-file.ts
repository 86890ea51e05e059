import { unwatchFile, watchFile } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { ApiKey, Scope } from '../domain/principal.ts'
import { parseApiKeys } from '../domain/principal.ts'
import type { Logger } from '../observability/logger.ts'

/** Polled, not notified: mounted secrets are exchanged by way of links, which notifications miss. */
const POLL_MS = 2_000

export type KeyFileOptions = {
  readonly path: string
  readonly scopes: readonly Scope[]
  readonly onKeys: (keys: readonly ApiKey[]) => void
  readonly logger: Logger
  readonly pollMs?: number
}

/**
 * Reads a file of keys again whenever it changes. What cannot be read, is malformed or holds no key
 * is logged and leaves the keys as they are: a slip in a file must not lock everybody out.
 */
export function watchKeyFile(options: KeyFileOptions): Disposable {
  const { path, scopes, onKeys, logger } = options
  const reload = async (): Promise<void> => {
    try {
      const keys = parseApiKeys(await readFile(path, 'utf8'), scopes)
      if (keys.length === 0) {
        logger.error({ path }, 'the key file holds no key: the keys stay as they were')
        return
      }
      onKeys(keys)
      logger.info({ path, names: keys.map((key) => key.name) }, 'the keys were read again')
    } catch (error) {
      logger.error({ err: error, path }, 'the key file is not used: the keys stay as they were')
    }
  }
  const listener = (): void => void reload()
  watchFile(path, { interval: options.pollMs ?? POLL_MS, persistent: false }, listener)
  // It may have changed since the configuration was read.
  listener()
  return { [Symbol.dispose]: () => unwatchFile(path, listener) }
}
