import type { ArchitecturePlatform } from '../domain/architecture-platform.ts'
import type { Directory, MatrixWorkshop } from '../domain/directory.ts'
import { Failure } from '../domain/failure.ts'
import type { GrantPlatform } from '../domain/role-change.ts'
import { resolveRegion } from '../domain/region.ts'
import type { Secret } from '../domain/secret.ts'
import { architectureThrough } from './architecture-link.ts'
import type { PlatformOptions } from './platform-client.ts'
import { ThreadLink } from './thread-link.ts'
import type { OnEvent } from './upstream-event.ts'

export type { UpstreamEvent } from './upstream-event.ts'

export type UpstreamOptions = Omit<PlatformOptions, 'clientSecret' | 'writeClient'> & {
  readonly clientSecret: Secret
  /** A second client for changes; the first does both when it is left out. */
  readonly writeClient?: { readonly id: string; readonly secret: Secret } | undefined
  readonly onEvent: OnEvent
}

/** The platform and the workshop for matrices, both in one thread. To be disposed. */
export type Upstream = Directory &
  MatrixWorkshop &
  GrantPlatform &
  AsyncDisposable & { readonly architecture: ArchitecturePlatform }

/**
 * Opens the platform. The thread starts with the first call. Throws `invalid` for a region that
 * there is none of.
 */
export function openUpstream(options: UpstreamOptions): Upstream {
  const { clientSecret, writeClient, onEvent, ...rest } = options
  if (rest.baseUrl === undefined && resolveRegion(rest.region) === undefined) {
    const message = `GENESYS_REGION is no region of Genesys Cloud: ${rest.region}`
    throw new Failure('invalid', message, { field: 'GENESYS_REGION' })
  }
  const workerData: PlatformOptions = {
    ...rest,
    clientSecret: clientSecret.reveal(),
    ...(writeClient && {
      writeClient: { id: writeClient.id, secret: writeClient.secret.reveal() },
    }),
  }
  const link = new ThreadLink({ entry: threadEntry(), workerData, onEvent })
  return {
    preflight: (signal) => link.call('preflight', null, { signal }),
    readMatrix: (call) => link.call('readMatrix', null, call),
    readSubjects: (ids, signal) => link.call('readSubjects', ids, { signal }),
    readDirectGrants: (userId, signal) => link.call('readDirectGrants', userId, { signal }),
    writeGrants: (userId, delta, signal) => link.call('writeGrants', { userId, delta }, { signal }),
    merge: (base, subjects) => link.call('merge', { base, subjects }),
    compare: (before, after) => link.call('compare', { before, after }),
    simulate: (base, question) => link.call('simulate', { base, question }),
    conflicts: (matrix, rules, page) => link.call('conflicts', { matrix, rules, page }),
    architecture: architectureThrough(link),
    [Symbol.asyncDispose]: () => link[Symbol.asyncDispose](),
  }
}

/** The thread's file has the ending of this one: compiled or not. */
function threadEntry(): URL {
  return import.meta.url.endsWith('.ts')
    ? new URL('./thread.ts', import.meta.url)
    : new URL('./thread.js', import.meta.url)
}
