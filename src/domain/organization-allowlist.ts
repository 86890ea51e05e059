import { Failure } from './failure.ts'
import type { Fault } from './failure.ts'
import {
  checkCount,
  checkMisplaced,
  checkNetwork,
  checkTogether,
  reservedMessage,
} from './ip-allowlist.ts'
import type { PlacedNetwork, RequestedEntry } from './ip-allowlist.ts'
import { contains, formatNetwork, parseHostAddress, parseNetwork } from './ip-network.ts'
import type { Network } from './ip-network.ts'
import { reservedRangeOf } from './reserved-networks.ts'
import { noFindings, requireValid, validationOf } from './validation.ts'
import type { Findings, Validation } from './validation.ts'

/** As many as the platform takes. */
const MAX_NETWORKS = 150

/** As a caller writes it: entries of `ipAddress` alone. */
export type RequestedOrganizationAllowlist = {
  readonly entries: readonly RequestedEntry[]
  readonly allowEverything?: boolean | undefined
  /** Where the caller speaks from; must stay allowed. */
  readonly callerAddress?: string | undefined
  /** Of a named list; faults here. */
  readonly name?: string | undefined
  readonly description?: string | undefined
}

/** From where people and applications may log in to the organisation; none means from anywhere. */
export type OrganizationAllowlistDraft = {
  /** In their normal form, in the order given. */
  readonly networks: readonly string[]
  readonly callerAddress: string | undefined
}

/**
 * Checks the organisation's own login allowlist: at most 150 networks, IPv4 only, no private ranges
 * (no platform sees a sender from there), nothing twice or within another.
 */
export function validateOrganizationAllowlist(
  requested: RequestedOrganizationAllowlist,
): Validation<OrganizationAllowlistDraft> {
  const { entries, allowEverything = false, callerAddress, name, description } = requested
  const findings = noFindings()
  checkMisplaced({ name, description }, 'is not for the organisation’s own list', findings)
  checkCount(entries, { least: 0, most: MAX_NETWORKS }, findings)
  const placed: PlacedNetwork[] = []
  for (const [index, entry] of entries.slice(0, MAX_NETWORKS).entries()) {
    checkAlone(entry, index, findings)
    const network = checkNetwork(entry.ipAddress, index, findings)
    if (network === undefined) continue
    checkReserved(network, index, findings)
    placed.push({ index, network, group: '' })
  }
  checkTogether(placed, allowEverything, findings)
  const fault = callerFault(callerAddress)
  if (fault) findings.faults.push(fault)
  const networks = placed.map(({ network }) => formatNetwork(network))
  return validationOf(findings, { networks, callerAddress })
}

function callerFault(address: string | undefined): Fault | undefined {
  if (address === undefined || parseHostAddress(address) !== undefined) return undefined
  return { field: 'callerAddress', message: 'is no IPv4 address' }
}

/** Throws `invalid` for an address that is given and is none. */
export function requireCallerAddress(address: string | undefined): void {
  const fault = callerFault(address)
  if (fault) requireValid({ faults: [fault], warnings: [], value: undefined })
}

function checkAlone(entry: RequestedEntry, index: number, { faults }: Findings): void {
  for (const name of ['direction', 'scope'] as const) {
    if (entry[name] === undefined) continue
    const message = 'is not known to the organisation’s own allowlist'
    faults.push({ field: `entries/${index}/${name}`, message })
  }
}

function checkReserved(network: Network, index: number, findings: Findings): void {
  const message = reservedMessage(network)
  if (message === undefined) return
  const reserved = reservedRangeOf(network)
  const forbidden = reserved?.within === true && reserved.range.private
  const { faults, warnings } = findings
  const list = forbidden ? faults : warnings
  list.push({ field: `entries/${index}/ipAddress`, message })
}

/**
 * Refuses a list that would shut out the caller or open the organisation to everybody by being
 * empty. Throws `conflict`.
 *
 * @param current what the platform has, as it writes it
 */
export function guardOrganizationAllowlist(
  current: readonly string[],
  { networks, callerAddress }: OrganizationAllowlistDraft,
): void {
  if (networks.length === 0) {
    if (current.length === 0) return
    const message = `an empty list would let everybody in: ${current.length} networks are allowed now`
    throw new Failure('conflict', message, { field: 'entries' })
  }
  if (callerAddress === undefined) return
  const address = parseHostAddress(callerAddress)
  const caller = address === undefined ? undefined : { address, prefix: 32 }
  const allowed = networks.some((text) => {
    const { network } = parseNetwork(withPrefix(text))
    return caller !== undefined && network !== undefined && contains(network, caller)
  })
  if (allowed) return
  const message = `the list would shut out ${callerAddress}, where the caller speaks from`
  throw new Failure('conflict', message, { field: 'callerAddress' })
}

/** What a replacement would change; networks in their normal form. */
export type AllowlistDifference = {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly kept: readonly string[]
}

export function compareOrganizationAllowlists(
  before: readonly string[],
  after: readonly string[],
): AllowlistDifference {
  const old = new Set(before.map(normalForm))
  const wanted = new Set(after.map(normalForm))
  return {
    added: [...wanted].filter((text) => !old.has(text)),
    removed: [...old].filter((text) => !wanted.has(text)),
    kept: [...wanted].filter((text) => old.has(text)),
  }
}

/** Whether both let in the same addresses by the same networks; order does not matter. */
export function sameOrganizationAllowlist(
  one: readonly string[],
  other: readonly string[],
): boolean {
  const { added, removed } = compareOrganizationAllowlists(one, other)
  return added.length === 0 && removed.length === 0
}

/** What is no network stays as it is. */
function normalForm(text: string): string {
  const { network } = parseNetwork(withPrefix(text))
  return network === undefined ? text : formatNetwork(network)
}

/** The platform also keeps single addresses without a prefix. */
function withPrefix(text: string): string {
  return text.includes('/') ? text : `${text}/32`
}
