import type { Fault } from './failure.ts'
import { contains, formatNetwork, parseNetwork, sameNetwork } from './ip-network.ts'
import type { Network } from './ip-network.ts'
import { reservedRangeOf } from './reserved-networks.ts'
import { checkDescription, checkName, noFindings, validationOf } from './validation.ts'
import type { Findings, Validation } from './validation.ts'

const DIRECTIONS = ['INBOUND', 'OUTBOUND'] as const
type Direction = (typeof DIRECTIONS)[number]
const SCOPES = ['GLOBAL', 'RESOURCE'] as const
type AllowlistScope = (typeof SCOPES)[number]

const MAX_ENTRIES = 100

/** As a caller writes it; directions and scopes are checked here. */
export type RequestedAllowlist = {
  readonly name: string
  readonly description?: string | undefined
  readonly entries: readonly RequestedEntry[]
  /** Without it `0.0.0.0/0` is taken for a mistake. */
  readonly allowEverything?: boolean | undefined
  /** Of the organisation's own list; a fault here. */
  readonly callerAddress?: string | undefined
}

export type RequestedEntry = {
  readonly ipAddress: string
  readonly direction?: string | undefined
  readonly scope?: string | undefined
}

/** An allowlist that may be created. */
export type AllowlistDraft = {
  readonly name: string
  readonly description: string
  readonly entries: readonly AllowlistEntry[]
}

/** `ipAddress` is a network in its normal form: `203.0.113.0/24`. */
export type AllowlistEntry = {
  readonly ipAddress: string
  readonly direction: Direction
  readonly scope: AllowlistScope
}

/** An entry whose network is known, and where it stands. */
export type PlacedNetwork = {
  readonly index: number
  readonly network: Network
  /** Entries of the same group must not overlap. */
  readonly group: string
}

/**
 * Checks a whole allowlist before anything is sent: 1 to 100 entries, well-formed networks, nothing
 * twice, nothing contained in another entry of its direction and scope, `0.0.0.0/0` only when it is
 * asked for by name. Private and reserved ranges are warnings. Fields are `entries/3/ipAddress`.
 */
export function validateAllowlist(requested: RequestedAllowlist): Validation<AllowlistDraft> {
  const { name, description = '', entries, allowEverything = false } = requested
  const findings = noFindings()
  const { callerAddress } = requested
  checkMisplaced({ callerAddress }, 'is for the organisation’s own list', findings)
  checkName(name, findings)
  checkDescription(description, findings)
  checkCount(entries, { least: 1, most: MAX_ENTRIES }, findings)
  const placed: PlacedNetwork[] = []
  const drafts: AllowlistEntry[] = []
  for (const [index, entry] of entries.slice(0, MAX_ENTRIES).entries()) {
    const network = checkNetwork(entry.ipAddress, index, findings)
    const direction = wordOf(DIRECTIONS, 'direction', entry.direction, index, findings)
    const scope = wordOf(SCOPES, 'scope', entry.scope, index, findings)
    if (network === undefined) continue
    warnOfReserved(network, index, findings)
    placed.push({ index, network, group: `${direction ?? index} ${scope ?? index}` })
    if (direction === undefined || scope === undefined) continue
    drafts.push({ ipAddress: formatNetwork(network), direction, scope })
  }
  checkTogether(placed, allowEverything, findings)
  return validationOf(findings, { name, description, entries: drafts })
}

/** Members that another kind of list has. */
export function checkMisplaced(
  members: Readonly<Record<string, unknown>>,
  message: string,
  { faults }: Findings,
): void {
  for (const [field, value] of Object.entries(members)) {
    if (value !== undefined) faults.push({ field, message })
  }
}

export function checkCount(
  entries: readonly unknown[],
  bounds: { readonly least: number; readonly most: number },
  { faults }: Findings,
): void {
  const { length } = entries
  if (length >= bounds.least && length <= bounds.most) return
  const range = `${bounds.least} to ${bounds.most} entries`
  const rest = length > bounds.most ? `; those after ${bounds.most} were not looked at` : ''
  faults.push({ field: 'entries', message: `must have ${range}, not ${length}${rest}` })
}

/** The network of an entry, where its text means one at all. */
export function checkNetwork(
  text: string,
  index: number,
  { faults }: Findings,
): Network | undefined {
  const parsed = parseNetwork(text)
  for (const fault of parsed.faults) faults.push({ field: addressField(index), ...fault })
  return parsed.network
}

function wordOf<Word extends string>(
  words: readonly Word[],
  name: string,
  given: string | undefined,
  index: number,
  { faults }: Findings,
): Word | undefined {
  const found = words.find((word) => word === given)
  if (found !== undefined) return found
  const near = words.find((word) => word === given?.trim().toUpperCase())
  const fault: Fault = {
    field: `entries/${index}/${name}`,
    message: `must be ${words.join(' or ')}`,
  }
  faults.push(near === undefined ? fault : { ...fault, suggestion: near })
  return undefined
}

function warnOfReserved(network: Network, index: number, { warnings }: Findings): void {
  const message = reservedMessage(network)
  if (message !== undefined) warnings.push({ field: addressField(index), message })
}

/** Undefined for public addresses, and for the network of all addresses: that has its own rule. */
export function reservedMessage(network: Network): string | undefined {
  const reserved = reservedRangeOf(network)
  if (reserved === undefined || network.prefix === 0) return undefined
  const { name, text } = reserved.range
  return `${reserved.within ? 'lies in' : 'reaches into'} ${text}, ${name}`
}

/** What is wrong between entries: the same network twice, one within another, all addresses. */
export function checkTogether(
  placed: readonly PlacedNetwork[],
  allowEverything: boolean,
  { faults }: Findings,
): void {
  for (const [position, entry] of placed.entries()) {
    const field = addressField(entry.index)
    if (entry.network.prefix === 0 && !allowEverything) {
      const message = 'allows every address: that needs "allowEverything": true'
      faults.push({ field, message })
    }
    const first = placed
      .slice(0, position)
      .find(({ network }) => sameNetwork(network, entry.network))
    if (first !== undefined) {
      faults.push({ field, message: `is the same network as entries/${first.index}` })
      continue
    }
    const outer = narrowestAround(entry, placed)
    if (outer === undefined) continue
    const name = `entries/${outer.index} (${formatNetwork(outer.network)})`
    faults.push({ field, message: `is contained in ${name}` })
  }
}

/** Of two networks that overlap one contains the other: there is no other kind of overlap. */
function narrowestAround(
  inner: PlacedNetwork,
  placed: readonly PlacedNetwork[],
): PlacedNetwork | undefined {
  let narrowest: PlacedNetwork | undefined
  for (const outer of placed) {
    if (outer.group !== inner.group || outer.network.prefix >= inner.network.prefix) continue
    if (!contains(outer.network, inner.network)) continue
    if (narrowest && narrowest.network.prefix >= outer.network.prefix) continue
    narrowest = outer
  }
  return narrowest
}

function addressField(index: number): string {
  return `entries/${index}/ipAddress`
}

/** What an allowlist says, whatever its name. */
export type AllowlistContent = {
  readonly description: string
  readonly entries: readonly {
    readonly ipAddress: string
    readonly direction: string
    readonly scope: string
  }[]
}

/** Whether creating the one would give the other: same description, same entries in any order. */
export function sameAllowlistContent(one: AllowlistContent, other: AllowlistContent): boolean {
  return one.description === other.description && entryKeys(one) === entryKeys(other)
}

function entryKeys({ entries }: AllowlistContent): string {
  return entries
    .map(({ ipAddress, direction, scope }) => `${ipAddress} ${direction} ${scope}`)
    .sort()
    .join()
}
