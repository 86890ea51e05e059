import type { ArchitectureOffers, ArchitecturePlatform } from '../domain/architecture-platform.ts'
import { Failure } from '../domain/failure.ts'
import { listCollection } from './architecture-collection.ts'
import { ENVIRONMENTS, EnvironmentCreator } from './environments.ts'
import { createIpAllowlist, IP_ALLOWLISTS } from './ip-allowlists.ts'
import {
  readOrganizationAllowlist,
  replaceOrganizationAllowlist,
} from './organization-allowlist.ts'
import type { Platform } from './platform-client.ts'

/** The architecture API and the organisation's own allowlist on an open platform. */
export function openArchitecture(platform: Platform): ArchitecturePlatform {
  const { read } = platform
  const creator = new EnvironmentCreator(platform)
  return {
    async offers(signal): Promise<ArchitectureOffers> {
      const [ipAllowlists, environments] = await Promise.all([
        isOffered(listCollection(read, IP_ALLOWLISTS, signal)),
        isOffered(listCollection(read, ENVIRONMENTS, signal)),
      ])
      return { ipAllowlists, environments }
    },
    listIpAllowlists: (signal) => listCollection(read, IP_ALLOWLISTS, signal),
    createIpAllowlist: (draft, signal) => createIpAllowlist(platform, draft, signal),
    listEnvironments: (signal) => listCollection(read, ENVIRONMENTS, signal),
    createEnvironment: (request, signal) => creator.create(request, signal),
    readOrganizationAllowlist: (signal) => readOrganizationAllowlist(platform, signal),
    replaceOrganizationAllowlist: (request, signal) =>
      replaceOrganizationAllowlist(platform, request, signal),
  }
}

/** Null when the platform does not let us look; a failure that passes is thrown. */
async function isOffered(listing: Promise<unknown>): Promise<boolean | null> {
  try {
    await listing
    return true
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    if (error.code === 'not-offered') return false
    if (error.upstream?.status === 403) return null
    throw error
  }
}
