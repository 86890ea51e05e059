import { Failure } from '../domain/failure.ts'
import { nearestName } from '../domain/permission.ts'
import { regionNames, resolveRegion } from '../domain/region.ts'
import { Secret } from '../domain/secret.ts'
import type { PlatformOptions } from '../genesys/platform-client.ts'
import { describeVariable, isFromVault } from './variables.ts'
import type { VariableName, Variables } from './variables.ts'

/**
 * What a command talks to: `check` and `admin` are the planes with their keys, `probe` is what the
 * check plane has open to all, `platform` is Genesys Cloud itself.
 */
export type Need = 'check' | 'admin' | 'probe' | 'platform'

export type PlaneAddress = { readonly url: URL; readonly key: Secret | undefined }

export type Addresses = {
  readonly check: PlaneAddress
  readonly admin: PlaneAddress
  readonly probe: PlaneAddress
  readonly platform: PlatformOptions
}

/** Of the command line; each is stronger than any variable. */
export type AddressOptions = {
  readonly environment?: string | undefined
  readonly checkUrl?: string | undefined
  readonly adminUrl?: string | undefined
}

const NEEDED: Readonly<Record<Need, readonly VariableName[]>> = {
  check: ['PERMCTL_CHECK_KEY'],
  admin: ['PERMCTL_ADMIN_KEY'],
  probe: [],
  platform: ['GENESYS_CLIENT_ID', 'GENESYS_CLIENT_SECRET'],
}

const OPTIONAL: Readonly<Partial<Record<Need, readonly VariableName[]>>> = {
  platform: ['GENESYS_WRITE_CLIENT_ID', 'GENESYS_WRITE_CLIENT_SECRET'],
}

/** Whether Vault may have something for these needs that is set nowhere else. */
export function mayNeedVault(needs: readonly Need[], variables: Variables): boolean {
  const names = needs.flatMap((need) => [...NEEDED[need], ...(OPTIONAL[need] ?? [])])
  return names.some((name) => isFromVault(name) && variables.read(name) === undefined)
}

/** Where the platform is; never guessed. */
const PLACES = ['GENESYS_BASE_URL', 'GENESYS_REGION'] as const
const PLACE_WORDS = `--environment, GENESYS_REGION or GENESYS_BASE_URL (where the organisation is)`

/** What is missing for these needs, each as a person would name it. */
export function missingFor(
  needs: readonly Need[],
  variables: Variables,
  options: AddressOptions,
): readonly string[] {
  const names = needs.flatMap((need) => NEEDED[need])
  const missing = names.filter((name) => variables.read(name) === undefined)
  const placed = options.environment !== undefined || variables.readOne(PLACES) !== undefined
  return [
    ...missing.map((name) => `${name} (${describeVariable(name)})`),
    ...(needs.includes('platform') && !placed ? [PLACE_WORDS] : []),
  ]
}

/**
 * The addresses for these needs, all that is missing for which is known to be there. Throws one
 * `invalid` that names everything at fault; no value of a secret is ever in it.
 */
export function readAddresses<const N extends Need>(
  needs: readonly N[],
  variables: Variables,
  options: AddressOptions,
): Pick<Addresses, N> {
  const faults: string[] = []
  const { environment } = options
  if (environment !== undefined && resolveRegion(environment) === undefined) {
    faults.push(unknownRegion('--environment', environment))
  }
  const read: { readonly [Name in Need]: () => Addresses[Name] } = {
    check: () => planeAddress('CHECK', options.checkUrl, variables, faults),
    admin: () => planeAddress('ADMIN', options.adminUrl, variables, faults),
    probe: () => ({
      ...planeAddress('CHECK', options.checkUrl, variables, faults),
      key: undefined,
    }),
    platform: () => platformOptions(variables, options.environment, faults),
  }
  const addresses = Object.fromEntries(needs.map((need) => [need, read[need]()]))
  const all = [...variables.faults, ...faults]
  if (all.length > 0) throw new Failure('invalid', all.join('; '))
  return addresses as Pick<Addresses, N>
}

function planeAddress(
  plane: 'CHECK' | 'ADMIN',
  option: string | undefined,
  variables: Variables,
  faults: string[],
): PlaneAddress {
  const name = `PERMCTL_${plane}_URL` as const
  const url = httpUrl(option ?? variables.read(name))
  if (!url) {
    const said = option === undefined ? name : `--${plane.toLowerCase()}-url`
    faults.push(`${said} must be an http or https URL without user, query or fragment`)
  }
  const key = variables.read(`PERMCTL_${plane}_KEY`)
  // What cannot stand in a header would be refused by the library, with the key in its message.
  if (key !== undefined && !/^[\x21-\x7e]+$/.test(key)) {
    faults.push(`PERMCTL_${plane}_KEY must be printable ASCII without spaces: the secret alone`)
  }
  return { url: url ?? new URL('http://invalid'), key: key === undefined ? key : new Secret(key) }
}

function platformOptions(
  variables: Variables,
  environment: string | undefined,
  faults: string[],
): PlatformOptions {
  const place = readPlace(variables, environment, faults)
  const writer = writeClient(variables, faults)
  return {
    clientId: variables.read('GENESYS_CLIENT_ID') ?? '',
    clientSecret: variables.read('GENESYS_CLIENT_SECRET') ?? '',
    ...place,
    requestsPerMinute: requestsPerMinute(variables, faults),
    ...(writer === undefined ? {} : { writeClient: writer }),
  }
}

/** Where the organisation is: a gateway, or else a region. An option was looked at before. */
function readPlace(
  variables: Variables,
  environment: string | undefined,
  faults: string[],
): Pick<PlatformOptions, 'region' | 'baseUrl'> {
  const place = variables.readOne(PLACES)
  if (place?.name !== 'GENESYS_BASE_URL') {
    const region = environment ?? place?.value ?? ''
    if (environment === undefined && resolveRegion(region) === undefined) {
      faults.push(unknownRegion('GENESYS_REGION', region))
    }
    return { region }
  }
  if (environment !== undefined) {
    faults.push('--environment and GENESYS_BASE_URL are both given, and name two places: unset one')
  } else if (!httpUrl(place.value)) {
    faults.push('GENESYS_BASE_URL must be an http or https URL without user, query or fragment')
  }
  return { region: '', baseUrl: place.value }
}

function unknownRegion(said: string, region: string): string {
  const names = regionNames()
  const nearest = nearestName(region, names)
  const hint = nearest === undefined ? '' : ` (did you mean ${nearest}?)`
  return `${said} ${region} is no region of Genesys Cloud${hint}: ${names.join(', ')}, or its host`
}

function writeClient(variables: Variables, faults: string[]): PlatformOptions['writeClient'] {
  const id = variables.read('GENESYS_WRITE_CLIENT_ID')
  const secret = variables.read('GENESYS_WRITE_CLIENT_SECRET')
  if (id !== undefined && secret !== undefined) return { id, secret }
  if ((id === undefined) !== (secret === undefined)) {
    faults.push('GENESYS_WRITE_CLIENT_ID and GENESYS_WRITE_CLIENT_SECRET must be set together')
  }
  return undefined
}

function requestsPerMinute(variables: Variables, faults: string[]): number {
  const count = Number(variables.read('GENESYS_REQUESTS_PER_MINUTE'))
  if (Number.isInteger(count) && count >= 1 && count <= 100_000) return count
  faults.push('GENESYS_REQUESTS_PER_MINUTE must be a whole number from 1 to 100000')
  return 1
}

function httpUrl(text: string | undefined): URL | undefined {
  const url = URL.parse(text ?? '')
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) return undefined
  return `${url.username}${url.password}${url.search}${url.hash}` === '' ? url : undefined
}
