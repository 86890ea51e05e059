import { test } from 'tap'
import { createSqliteDatabase } from '../store/support/test-database.ts'
import {
  ALLOWLISTS,
  ANNA,
  ENVIRONMENTS,
  environment,
  OFFICE,
  openInstance,
  openSimulator,
} from './support/architecture-world.ts'

const SETTINGS = '/api/v2/organizations/authentication/settings'
/** Everything that was asked for, and what the platform and our own messages make of it. */
const CLEAR = /8\.8\.|9\.9\.|203\.0\.113|confidential|headquarters|the platform’s own words/

const OWN_LIST = { entries: [{ ipAddress: '203.0.113.0/24' }] }

test('entries of what was refused or failed hold a code and the fields, and nothing in clear', async (t) => {
  const simulator = await openSimulator(t)
  const desk = openInstance(t, { database: await createSqliteDatabase(t), simulator })
  const { allowlists, organization, environments } = desk
  const bad = { ipAddress: '8.8.8.1/24', direction: 'INBOUND', scope: 'GLOBAL' }
  const around = { ipAddress: '8.8.0.0/16', direction: 'INBOUND', scope: 'GLOBAL' }
  const message = 'the platform’s own words on 8.8.8.0/24 and the confidential headquarters'
  const refuse = (method: string, path: string): void => {
    const code = 'invalid.value'
    simulator.faults.add({ kind: 'status', status: 400, code, message, match: { method, path } })
  }

  await t.rejects(allowlists.create({ ...OFFICE, entries: [bad] }, ANNA), { code: 'invalid' })
  const within = { ...OFFICE, entries: [...OFFICE.entries, around] }
  await t.rejects(allowlists.create(within, ANNA), { code: 'invalid' })
  const shut = { ...OWN_LIST, callerAddress: '9.9.9.9' }
  await t.rejects(organization.replace(shut, ANNA), { code: 'conflict' })
  refuse('POST', ALLOWLISTS)
  await t.rejects(allowlists.create(OFFICE, ANNA), { message: /own words/ })
  refuse('PUT', SETTINGS)
  refuse('PATCH', SETTINGS)
  await t.rejects(organization.replace(OWN_LIST, ANNA), { message: /own words/ })
  refuse('POST', ENVIRONMENTS)
  const confidential = { ...environment('dev'), description: 'the confidential headquarters' }
  await t.rejects(environments.create(confidential, ANNA), { message: /own words/ })

  const entries = await desk.entries()
  t.notMatch(JSON.stringify(entries), CLEAR)
  const upstream = { status: 400, code: 'invalid.value' }
  t.match(
    entries.filter(({ outcome }) => outcome !== 'started').map(({ details }) => details),
    [
      { reason: 'invalid', fields: ['entries/0/ipAddress'], resultStatus: 'FAILURE' },
      { reason: 'invalid', fields: ['entries/0/ipAddress'] },
      { reason: 'conflict', fields: ['callerAddress'] },
      { reason: 'upstream-refused', upstream },
      { reason: 'upstream-refused', upstream },
      { reason: 'upstream-refused', upstream, status: 'FAILURE', environment_name: 'dev' },
    ],
  )
})
