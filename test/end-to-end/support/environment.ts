import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DEFAULT_CLIENT } from '../../../simulator/simulated-client.ts'

export const CHECK_KEY = 'check-key-5b1f0a9c7e3d'
export const ADMIN_KEY = 'admin-key-93ad70e1c4b2'
export const METRICS_KEY = 'metrics-key-0d6e2f81ab'

/** What a service needs to run against a simulator, on any free ports and with no schedule. */
export function environment(url: string, dataDir: string): Record<string, string> {
  return {
    GENESYS_CLIENT_ID: DEFAULT_CLIENT.id,
    GENESYS_CLIENT_SECRET: DEFAULT_CLIENT.secret,
    GENESYS_BASE_URL: url,
    GENESYS_REQUESTS_PER_MINUTE: '100000',
    PORT: '0',
    ADMIN_PORT: '0',
    CHECK_API_KEYS: `app=${CHECK_KEY}`,
    ADMIN_API_KEYS: `root=${ADMIN_KEY},prometheus:metrics=${METRICS_KEY}`,
    DATA_DIR: dataDir,
    REBUILD_CRON: '0 0 1 1 *',
  }
}

export type TemporaryFolder = AsyncDisposable & { readonly path: string }

export async function temporaryFolder(): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(tmpdir(), 'permission-check-test-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}
