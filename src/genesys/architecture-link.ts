import type { ArchitecturePlatform } from '../domain/architecture-platform.ts'
import type { ThreadLink } from './thread-link.ts'

/** The architecture API as it is reached through the thread. */
export function architectureThrough(link: ThreadLink): ArchitecturePlatform {
  return {
    offers: (signal) => link.call('offers', null, { signal }),
    listIpAllowlists: (signal) => link.call('listIpAllowlists', null, { signal }),
    createIpAllowlist: (draft, signal) => link.call('createIpAllowlist', draft, { signal }),
    listEnvironments: (signal) => link.call('listEnvironments', null, { signal }),
    createEnvironment: (request, signal) => link.call('createEnvironment', request, { signal }),
    readOrganizationAllowlist: (signal) => link.call('readOrganizationAllowlist', null, { signal }),
    replaceOrganizationAllowlist: (request, signal) =>
      link.call('replaceOrganizationAllowlist', request, { signal }),
  }
}
