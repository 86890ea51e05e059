import { readdirSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { generateWorld } from '../simulator/generate-world.ts'
import { startSimulator } from '../simulator/server.ts'
import type { World } from '../simulator/world.ts'

/**
 * A simulator as a process of its own. Arguments: users, requests a minute. Tells the parent its
 * URL, the least number of pages that hold the facts, and some user ids; answers the message
 * `requests` with how many requests it has had, logins included, and begins to count anew.
 */

/** The largest pages that the simulator hands out. */
const PAGE = {
  users: 500,
  groups: 500,
  roles: 100,
  subjectGrants: 100,
  divisions: 100,
  domains: 100,
}

// It stands for a platform that runs elsewhere and takes none of this machine: whatever is measured
// here goes before it, its helper threads included. Nothing else may have this priority.
if (process.platform === 'linux') {
  for (const thread of readdirSync('/proc/self/task')) {
    setPriority(Number(thread), constants.priority.PRIORITY_LOW)
  }
}

const [users = '100000', requestsPerMinute = '3000'] = process.argv.slice(2)
const world = generateWorld({ seed: 7, users: Number(users) })
const simulator = await startSimulator({ world, requestsPerMinute: Number(requestsPerMinute) })

process.send?.({
  url: simulator.url,
  pages: leastPages(world),
  userIds: world
    .users('active')
    .slice(0, 2_000)
    .map((user) => user.id),
  permissions: world.catalogue.slice(0, 500).map((p) => `${p.domain}:${p.entity}:${p.action}`),
})
process.on('message', (message) => {
  if (message !== 'requests') return
  process.send?.({ requests: simulator.requests.total })
  simulator.requests.reset()
})
process.once('SIGTERM', () => {
  void simulator.close().then(() => process.disconnect())
})

function leastPages(organization: World): number {
  let count = pages(organization.users('any').length, PAGE.users)
  count += pages(organization.groups.size, PAGE.groups)
  count += pages(organization.roles.size, PAGE.roles)
  count += pages(organization.divisions.size, PAGE.divisions)
  const domains = new Set(organization.catalogue.map((permission) => permission.domain))
  count += pages(domains.size, PAGE.domains)
  // Access policies: one page, and none of them in a generated organisation.
  count += 1
  for (const roleId of organization.roles.keys()) {
    count += pages(organization.grants.subjectsOfRole(roleId).length, PAGE.subjectGrants)
  }
  return count
}

function pages(rows: number, size: number): number {
  return Math.max(1, Math.ceil(rows / size))
}
