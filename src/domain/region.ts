/** Regions of Genesys Cloud: AWS name → host. API and login are `api.` and `login.` of the host. */
const REGION_HOSTS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'us-east-1': 'mypurecloud.com',
    'us-east-2': 'use2.us-gov-pure.cloud',
    'us-west-2': 'usw2.pure.cloud',
    'ca-central-1': 'cac1.pure.cloud',
    'mx-central-1': 'mxc1.pure.cloud',
    'sa-east-1': 'sae1.pure.cloud',
    'eu-west-1': 'mypurecloud.ie',
    'eu-west-2': 'euw2.pure.cloud',
    'eu-central-1': 'mypurecloud.de',
    'eu-central-2': 'euc2.pure.cloud',
    'eusc-de-east-1': 'edee1.eusc-pure.cloud',
    'me-central-1': 'mec1.pure.cloud',
    'ap-south-1': 'aps1.pure.cloud',
    'ap-northeast-1': 'mypurecloud.jp',
    'ap-northeast-2': 'apne2.pure.cloud',
    'ap-northeast-3': 'apne3.pure.cloud',
    'ap-southeast-1': 'apse1.pure.cloud',
    'ap-southeast-2': 'mypurecloud.com.au',
  }),
)

/** Short names of the regions that most organisations are in. */
const SHORT_NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries({ us: 'us-east-1', eu: 'eu-west-1', ap: 'ap-southeast-2' }),
)

/** What a region may be called: short names first, then AWS names. */
export function regionNames(): readonly string[] {
  return [...SHORT_NAMES.keys(), ...REGION_HOSTS.keys()]
}

/**
 * The host of a region given by short name (`eu`), AWS name (`eu-west-1`), SDK name (`eu_west_1`) or
 * host, with or without `https://`, `api.` or `login.`; undefined for anything else: never a silent default.
 */
export function resolveRegion(region: string): string | undefined {
  const name = region.trim().toLowerCase()
  const byName = REGION_HOSTS.get(SHORT_NAMES.get(name) ?? name.replaceAll('_', '-'))
  if (byName !== undefined) return byName
  const host = name.replace(/^https:\/\//, '').replace(/\/$/, '')
  const bare = host.replace(/^(api|login|apps)\./, '')
  return [...REGION_HOSTS.values()].find((known) => known === bare)
}
