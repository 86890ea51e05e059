import type { Creation, IpAllowlist } from '../domain/architecture-platform.ts'
import { Failure } from '../domain/failure.ts'
import { sameAllowlistContent } from '../domain/ip-allowlist.ts'
import type { AllowlistDraft } from '../domain/ip-allowlist.ts'
import { listCollection, useOf } from './architecture-collection.ts'
import type { ArchitectureCollection } from './architecture-collection.ts'
import type { FailedAttempt } from './call-policy.ts'
import { createOnce } from './create-once.ts'
import { explainFailure } from './explain-failure.ts'
import { allowlistBody, mapAllowlist, mapCreated } from './map-architecture.ts'
import type { Platform } from './platform-client.ts'
import { beforeSending } from './unclear-outcome.ts'

export const IP_ALLOWLISTS: ArchitectureCollection<IpAllowlist> = {
  name: 'IP allowlists',
  path: '/api/v2/architecture/ipallowlists',
  permission: 'architecture:ipallowlist',
  listTimeoutMs: 30_000,
  map: mapAllowlist,
}

const CREATE_ATTEMPTS = 5
/** Room for five attempts and for the pauses that the platform may ask for. */
const CREATE_TIMEOUT_MS = 5 * 60_000
const FIRST_PAUSE_MS = 1_000

/** As told, else 1, 2, 4 and 8 s. */
function pauseMs({ attempt, askedSeconds }: FailedAttempt): number {
  return askedSeconds === undefined ? FIRST_PAUSE_MS * 2 ** (attempt - 1) : askedSeconds * 1000
}

/** See `ArchitecturePlatform.createIpAllowlist`. */
export async function createIpAllowlist(
  platform: Platform,
  draft: AllowlistDraft,
  signal: AbortSignal,
): Promise<Creation<IpAllowlist>> {
  const find = async (): Promise<IpAllowlist | undefined> => {
    const all = await listCollection(platform.read, IP_ALLOWLISTS, signal)
    const named = all.find(({ name }) => name === draft.name)
    if (named === undefined || sameAllowlistContent(named, draft)) return named
    const message = `an IP allowlist "${draft.name}" with other content exists: ${named.id}`
    throw new Failure('conflict', message, { field: 'name' })
  }
  const { write } = platform
  const startedAt = write.clock.now()
  const existing = await beforeSending(find)
  if (existing !== undefined) {
    const latencyMs = Math.round(write.clock.now() - startedAt)
    return { item: existing, outcome: 'existing', latencyMs, attempts: 0 }
  }
  const request = { method: 'POST', path: IP_ALLOWLISTS.path, body: allowlistBody(draft) } as const
  try {
    return await createOnce<IpAllowlist>({
      client: write,
      operation: `POST ${IP_ALLOWLISTS.path}`,
      send: (session) => session.request(request),
      read: (answer) => ({ ...draft, ...mapCreated(answer) }),
      find,
      mayExist: true,
      attempts: CREATE_ATTEMPTS,
      timeoutMs: CREATE_TIMEOUT_MS,
      pauseMs,
      signal,
    })
  } catch (error) {
    throw explainFailure(error, useOf(write, IP_ALLOWLISTS, 'write'))
  }
}
