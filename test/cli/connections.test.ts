import { test } from 'tap'
import { missingFor, readAddresses } from '../../src/cli/connections.ts'
import { Variables } from '../../src/cli/variables.ts'
import type { Layer } from '../../src/cli/variables.ts'
import { regionNames, resolveRegion } from '../../src/domain/region.ts'

const CLIENT = { GENESYS_CLIENT_ID: 'client', GENESYS_CLIENT_SECRET: 'the-secret' }

function platform(layers: readonly Layer[], environment?: string) {
  const variables = new Variables(layers)
  const options = { environment }
  const missing = missingFor(['platform'], variables, options)
  return { missing, read: () => readAddresses(['platform'], variables, options).platform }
}

test('regions go by short name, AWS name, SDK name and host', (t) => {
  const cases = {
    us: 'mypurecloud.com',
    eu: 'mypurecloud.ie',
    ap: 'mypurecloud.com.au',
    'eu-central-1': 'mypurecloud.de',
    eu_west_2: 'euw2.pure.cloud',
    'https://api.mypurecloud.jp/': 'mypurecloud.jp',
  }
  for (const [name, host] of Object.entries(cases)) t.equal(resolveRegion(name), host, name)
  for (const name of ['', 'mars', 'eu-west', 'mypurecloud.example']) {
    t.equal(resolveRegion(name), undefined, name)
  }
  for (const name of regionNames()) t.ok(resolveRegion(name), name)
  t.end()
})

test('the platform is never a silent default', (t) => {
  t.match(platform([CLIENT]).missing, [/--environment, GENESYS_REGION or GENESYS_BASE_URL/])
  t.match(platform([{}]).missing, [/GENESYS_CLIENT_ID/, /GENESYS_CLIENT_SECRET/, /--environment/])
  t.same(platform([CLIENT], 'eu').missing, [])
  t.equal(platform([CLIENT], 'eu').read().region, 'eu')
  t.end()
})

test('an unknown region is refused with the list, and the near one', (t) => {
  const refused = { code: 'invalid', message: /did you mean eu-west-1\?.*us, eu, ap, us-east-1/ }
  t.throws(() => platform([CLIENT], 'eu-west1').read(), refused)
  t.throws(() => platform([{ ...CLIENT, GENESYS_REGION: 'mars' }]).read(), {
    message: /^GENESYS_REGION mars is no region/,
  })
  t.end()
})

test('the strongest source that names a place names it alone', (t) => {
  const gateway = { GENESYS_BASE_URL: 'http://127.0.0.1:9090' }
  const region = { GENESYS_REGION: 'eu' }
  const own = platform([region, { ...CLIENT, ...gateway }]).read()
  t.match(own, { region: 'eu', baseUrl: undefined }, 'a profile is not led to another gateway')
  t.equal(platform([gateway, { ...CLIENT, ...region }]).read().baseUrl, gateway.GENESYS_BASE_URL)
  t.equal(platform([{ ...CLIENT, ...region, ...gateway }]).read().baseUrl, gateway.GENESYS_BASE_URL)
  t.throws(() => platform([{ ...CLIENT, ...gateway }], 'eu').read(), { message: /name two places/ })
  t.equal(platform([{ ...CLIENT, ...region }], 'us').read().region, 'us', 'the option is stronger')
  t.end()
})

test('every fault is named at once, and never a secret', (t) => {
  const env = {
    ...CLIENT,
    GENESYS_REGION: 'mars',
    GENESYS_WRITE_CLIENT_ID: 'writer',
    GENESYS_REQUESTS_PER_MINUTE: 'many',
    PERMCTL_ADMIN_KEY: 'two words',
    PERMCTL_ADMIN_URL: 'http://user:pass@host',
  }
  const read = () => readAddresses(['platform', 'admin'], new Variables([env]), {})
  const error = t.throws(read, { code: 'invalid' }) as unknown as Error
  for (const name of Object.keys(env).slice(2)) t.match(error.message, name)
  t.notMatch(error.message, /the-secret|two words|pass/)
  t.end()
})
