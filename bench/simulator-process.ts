import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { generateWorld } from '../simulator/generate-world.ts'
import { startSimulator } from '../simulator/server.ts'
import type { World } from '../simulator/world.ts'
import { READ_CLIENT, WRITE_CLIENT } from './simulator-clients.ts'

/** Sent to the parent once it listens. */
export type SimulatorReady = {
  readonly url: string
  /** The least number of pages that hold the facts. */
  readonly pages: number
  readonly userIds: readonly string[]
  readonly permissions: readonly string[]
  /** A grant, and active users who do not have its role. */
  readonly grantable: {
    readonly roleId: string
    readonly divisionId: string
    readonly userIds: readonly string[]
  }
}

/** The answer to the message `requests`: what was asked since the last such message. */
export type RequestReport = {
  /** Logins included. */
  readonly requests: number
  /** By method and path template. */
  readonly byOperation: Readonly<Record<string, number>>
  readonly byStatus: Readonly<Record<number, number>>
}

/**
 * A simulator as a process of its own. Arguments: users, requests a minute of each client. Begins to
 * count anew with every {@link RequestReport}.
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
// here goes before it, its helper threads included. Nothing else may have this class.
if (process.platform === 'linux') takeOnlyIdleTime()

const [users = '100000', requestsPerMinute = '3000'] = process.argv.slice(2)
const world = generateWorld({ seed: 7, users: Number(users) })
// Before the clients bring roles of their own.
const grantable = findGrantable(world)
const simulator = await startSimulator({
  world,
  clients: [READ_CLIENT, WRITE_CLIENT],
  requestsPerMinute: Number(requestsPerMinute),
})

const ready: SimulatorReady = {
  url: simulator.url,
  pages: leastPages(world),
  userIds: world
    .users('active')
    .slice(0, 2_000)
    .map((user) => user.id),
  permissions: world.catalogue.slice(0, 500).map((p) => `${p.domain}:${p.entity}:${p.action}`),
  grantable,
}
process.send?.(ready)
process.on('message', (message) => {
  if (message !== 'requests') return
  const { total, byOperation, byStatus } = simulator.requests
  const report: RequestReport = {
    requests: total,
    byOperation: Object.fromEntries(byOperation),
    byStatus: Object.fromEntries(byStatus),
  }
  process.send?.(report)
  simulator.requests.reset()
})
process.once('SIGTERM', () => {
  void simulator.close().then(() => process.disconnect())
})

/**
 * The idle class: a thread in it makes room the moment that another wakes. A low priority does not
 * do that: Linux lets the slice that has begun be used up first. Where `chrt` is absent, that.
 */
function takeOnlyIdleTime(): void {
  try {
    execFileSync('chrt', ['--all-tasks', '--idle', '--pid', '0', String(process.pid)])
  } catch {
    for (const thread of readdirSync('/proc/self/task')) {
      setPriority(Number(thread), constants.priority.PRIORITY_LOW)
    }
  }
}

/** The last role is the one that fewest have. */
function findGrantable(organization: World): SimulatorReady['grantable'] {
  const roleId = [...organization.roles.keys()].at(-1) ?? ''
  const holders = new Set(organization.grants.subjectsOfRole(roleId))
  const userIds = organization
    .users('active')
    .map((user) => user.id)
    .filter((id) => !holders.has(id))
  return { roleId, divisionId: organization.homeDivision().id, userIds: userIds.slice(0, 1_000) }
}

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
