import { test } from 'tap'
import type { Test } from 'tap'
import type { Verification } from '../../src/domain/audit.ts'
import { Failure } from '../../src/domain/failure.ts'
import { AuditVerifier } from '../../src/worker/audit-verifier.ts'
import { entry, openTestStore } from '../store/support/store-under-test.ts'
import { createSqliteDatabase } from '../store/support/test-database.ts'
import { recordingLogger } from '../support/recording-logger.ts'
import { ManualTime, until } from './support/manual-time.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const NOON = new Date(2026, 2, 1, 12, 0).getTime()
const NIGHT = new Date(2026, 2, 2, 3, 53).getTime()

/** A verifier over a real store of three entries, begun at noon. */
async function open(t: Test) {
  const database = await createSqliteDatabase(t)
  const verified: Verification[] = []
  const { store } = openTestStore(t, database, {
    onVerified: (verification) => verified.push(verification),
  })
  const { audit } = store
  await audit.append([entry(), entry(), entry()])
  const time = new ManualTime(NOON)
  const { logger, lines } = recordingLogger()
  const state = { unwritable: false, unreadable: false, lost: 0 }
  const down = new Failure('store-unavailable', 'the database is not open yet')
  const verifier = new AuditVerifier({
    trail: {
      verify: (signal) => (state.unreadable ? Promise.reject(down) : audit.verify(signal)),
      append: (entries) => (state.unwritable ? Promise.reject(down) : audit.append(entries)),
    },
    metrics: {
      auditAppendFailed(count = 1) {
        state.lost += count
      },
    },
    logger,
    clock: time,
  })
  t.teardown(() => verifier[Symbol.asyncDispose]())
  verifier.begin()
  const pass = async (ms: number): Promise<void> => {
    await until(() => time.pausing === 1, 'a pause')
    time.pass(ms)
    await until(() => time.pausing === 1, 'the next pause')
  }
  const told = async () => (await audit.list({ action: 'audit_verification' }, { limit: 10 })).items
  const tamper = async (sequence: number): Promise<void> => {
    await database.dropGuards()
    await database.execute(`update audit_entries set actor = 'nobody' where sequence = ${sequence}`)
  }
  return { verified, lines, time, state, verifier, pass, told, tamper }
}

test('a sound chain is verified after the start and every night, and leaves no entry', async (t) => {
  const { verified, lines, time, pass, told } = await open(t)
  await pass(MINUTE)
  t.match(verified, [{ intact: true, checked: 3 }])
  t.match(lines, [{ msg: 'the audit trail is intact', checked: 3 }])
  time.pass(NIGHT - time.now() - 1)
  t.equal(verified.length, 1)
  await pass(1)
  t.equal(verified.length, 2)
  await pass(24 * HOUR)
  t.equal(verified.length, 3)
  t.same(await told(), [])
})

test('a broken chain is logged each time, and told to the trail once for each fault', async (t) => {
  const { verified, lines, pass, told, tamper } = await open(t)
  await tamper(2)
  await pass(MINUTE)
  t.match(verified, [{ intact: false, broken: { sequence: 2 } }])
  const [line] = lines
  t.match(line, { level: 50, msg: 'the audit trail is broken', sequence: 2 })
  const [first] = await told()
  t.match(first, { outcome: 'failed', actor: 'service', details: { sequence: 2, checked: 1 } })
  await pass(24 * HOUR)
  t.equal(lines.length, 2)
  t.equal((await told()).length, 1)
  await tamper(1)
  await pass(24 * HOUR)
  t.match(await told(), [{ details: { sequence: 2 } }, { details: { sequence: 1 } }])
})

test('what a trail that cannot be written was to be told is counted, and told an hour later', async (t) => {
  const { state, lines, pass, told, tamper } = await open(t)
  await tamper(3)
  state.unwritable = true
  await pass(MINUTE)
  t.equal(state.lost, 1)
  t.match(lines.at(-1), { msg: 'the audit trail could not be verified' })
  state.unwritable = false
  await pass(HOUR)
  t.match(await told(), [{ details: { sequence: 3 } }])
})

test('a verification that fails is tried again after an hour', async (t) => {
  const { state, verified, lines, pass } = await open(t)
  state.unreadable = true
  await pass(MINUTE)
  t.match(lines, [{ level: 40, msg: 'the audit trail could not be verified' }])
  t.same(verified, [])
  state.unreadable = false
  await pass(HOUR)
  t.match(verified, [{ intact: true }])
})

test('stopping ends it at once', async (t) => {
  const { verified, lines, time, verifier } = await open(t)
  await until(() => time.pausing === 1, 'a pause')
  await verifier[Symbol.asyncDispose]()
  time.pass(24 * HOUR)
  t.equal(time.pausing, 0)
  t.same(verified, [])
  t.same(lines, [])
})
