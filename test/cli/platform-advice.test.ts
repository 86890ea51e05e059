import { test } from 'tap'
import { adviseOnPlatform } from '../../src/cli/platform-advice.ts'
import { Failure } from '../../src/domain/failure.ts'
import { NO_CONNECTION } from '../../src/genesys/transport-failure.ts'
import { permctl } from './support/permctl.ts'
import { startPlatform } from './support/platform.ts'

const USERS = { method: 'GET', path: '/api/v2/users' }

test('what the platform did not give is told with what to do next', async (t) => {
  await using cut = await startPlatform()
  cut.simulator.faults.add({ match: USERS, kind: 'truncate-page' })
  await using garbled = await startPlatform()
  garbled.simulator.faults.add({ match: USERS, kind: 'malformed-body' })
  await using behind = await startPlatform()
  behind.simulator.faults.add({ match: USERS, kind: 'html-error' })
  const nobody = { ...cut.env, GENESYS_BASE_URL: 'http://127.0.0.1:9' }
  const words = ['users', 'list']
  const [part, noJson, noGateway, unreached] = await Promise.all([
    permctl(words, { env: cut.env }),
    permctl([...words, '--output', 'json'], { env: garbled.env }),
    permctl(words, { env: behind.env }),
    permctl(words, { env: nobody }),
  ])
  for (const { code, stdout } of [part, noJson, noGateway, unreached]) {
    t.equal(code, 3)
    t.equal(stdout, '')
  }
  t.match(part.stderr, /announced and \d+ of \d+ listed.*; run the command again; .*support/)
  t.match(JSON.parse(noJson.stderr), {
    error: {
      code: 'upstream-broken',
      message: /is no JSON \(5 attempts\); run the command again/,
      upstream: { status: 200, correlationId: /^[\da-f]{8}-/ },
    },
  })
  t.match(noGateway.stderr, /502 \(5 attempts\); wait a little, then run the command again/)
  t.match(noGateway.stderr, /^ {2}platform: 502, correlation id [\da-f]{8}-/m)
  t.match(unreached.stderr, /ECONNREFUSED.*; is it running, and GENESYS_BASE_URL its address\?/)
})

test('the advice is for what went wrong', (t) => {
  const region = { url: new URL('https://api.mypurecloud.ie'), byRegion: true }
  const adviceOn = (code: string): string | undefined => {
    const message = `GET /api/v2/users ${NO_CONNECTION}: ${code} (5 attempts)`
    return adviseOnPlatform(new Failure('upstream-busy', message), region)
  }
  t.match(adviceOn('SELF_SIGNED_CERT_IN_CHAIN'), /into NODE_EXTRA_CA_CERTS$/)
  t.match(adviceOn('ENOTFOUND'), /network here open to api\.mypurecloud\.ie/)
  const late = new Failure('upstream-busy', 'GET /api/v2/users was not answered in time')
  t.match(adviseOnPlatform(late, region), /--timeout/)
  for (const code of ['upstream-refused', 'invalid', 'conflict'] as const) {
    t.equal(adviseOnPlatform(new Failure(code, 'no'), region), undefined, code)
  }
  t.end()
})
