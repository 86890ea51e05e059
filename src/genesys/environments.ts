import type {
  ArchitecturePlatform,
  Creation,
  Environment,
  EnvironmentCreation,
} from '../domain/architecture-platform.ts'
import type { EnvironmentDraft } from '../domain/environment.ts'
import { Failure } from '../domain/failure.ts'
import { listCollection, pauseAsTold, useOf } from './architecture-collection.ts'
import type { ArchitectureCollection } from './architecture-collection.ts'
import { createOnce } from './create-once.ts'
import { explainFailure } from './explain-failure.ts'
import { environmentBody, mapCreated, mapEnvironment } from './map-architecture.ts'
import { OneAtATime } from './one-at-a-time.ts'
import type { Platform } from './platform-client.ts'
import { beforeSending } from './unclear-outcome.ts'

export const ENVIRONMENTS: ArchitectureCollection<Environment> = {
  name: 'environments',
  path: '/api/v2/architecture/environments',
  permission: 'architecture:environment',
  listTimeoutMs: 15_000,
  map: mapEnvironment,
}

const CREATE_ATTEMPTS = 3
const CREATE_TIMEOUT_MS = 30_000
/** Each may take a minute and a half when answers get lost. */
const MAX_WAITING = 8
/** What was created is listed after this at the latest. */
const LISTED_AFTER_MS = 60_000

type Named = Pick<Environment, 'id' | 'name'>
type Recent = { readonly environment: Named; readonly createdAt: number }

/**
 * Creates environments one after the other: each is counted before the next one may be created,
 * also while the platform's listing does not show it yet.
 */
export class EnvironmentCreator {
  readonly #platform: Platform
  readonly #turns = new OneAtATime(MAX_WAITING)
  #recent: readonly Recent[] = []

  constructor(platform: Platform) {
    this.#platform = platform
  }

  /** See `ArchitecturePlatform.createEnvironment`. */
  create(
    {
      draft,
      maxEnvironments,
      recent = [],
    }: Parameters<ArchitecturePlatform['createEnvironment']>[0],
    signal: AbortSignal,
  ): Promise<EnvironmentCreation> {
    return this.#turns.run(signal, async () => {
      const countBefore = await beforeSending(async () => {
        const before = await this.#existing(recent, signal)
        requireRoom(before, draft, maxEnvironments)
        return before.length
      })
      const creation = await this.#create(draft, signal)
      const createdAt = this.#platform.write.clock.now()
      this.#recent = [...this.#recent, { environment: creation.item, createdAt }]
      return { ...creation, countBefore }
    })
  }

  /** What is listed, and what was created so lately that it need not be listed. */
  async #existing(elsewhere: readonly Named[], signal: AbortSignal): Promise<readonly Named[]> {
    const listed = await listCollection(this.#platform.read, ENVIRONMENTS, signal)
    const ids = new Set(listed.map(({ id }) => id))
    const since = this.#platform.write.clock.now() - LISTED_AFTER_MS
    this.#recent = this.#recent.filter(
      ({ environment, createdAt }) => createdAt > since && !ids.has(environment.id),
    )
    const recent = [...this.#recent.map(({ environment }) => environment), ...elsewhere]
    const unlisted = new Map(recent.map(({ id, name }) => [id, { id, name }]))
    for (const id of ids) unlisted.delete(id)
    return [...listed, ...unlisted.values()]
  }

  async #create(draft: EnvironmentDraft, signal: AbortSignal): Promise<Creation<Environment>> {
    const { read, write } = this.#platform
    const request = {
      method: 'POST',
      path: ENVIRONMENTS.path,
      body: environmentBody(draft),
    } as const
    try {
      return await createOnce<Environment>({
        client: write,
        operation: `POST ${ENVIRONMENTS.path}`,
        send: (session) => session.request(request),
        read: (answer) => ({ ...draft, ...mapCreated(answer) }),
        // Nothing had the name when the environments were counted.
        find: async () => {
          const all = await listCollection(read, ENVIRONMENTS, signal)
          return all.find(({ name }) => name === draft.name)
        },
        mayExist: false,
        attempts: CREATE_ATTEMPTS,
        timeoutMs: CREATE_TIMEOUT_MS,
        pauseMs: pauseAsTold,
        signal,
      })
    } catch (error) {
      throw explainFailure(error, useOf(write, ENVIRONMENTS, 'write'))
    }
  }
}

/** Throws `conflict` when the name is taken, or when no more may be created. */
function requireRoom(
  before: readonly Named[],
  draft: EnvironmentDraft,
  maxEnvironments: number,
): void {
  const namesake = before.find(({ name }) => name === draft.name)
  if (namesake !== undefined) {
    const message = `an environment "${draft.name}" exists: ${namesake.id}`
    throw new Failure('conflict', message, { field: 'name' })
  }
  if (before.length < maxEnvironments) return
  const message = `${before.length} environments exist, and MAX_ENVIRONMENTS allows ${maxEnvironments}`
  throw new Failure('conflict', message)
}
