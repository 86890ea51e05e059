import { join } from 'node:path'
import { test } from 'tap'
import { executeOnSqlite } from '../store/support/test-database.ts'
import { startUnderTest } from './support/service-under-test.ts'
import { until } from './support/until.ts'

test('metrics tell whether the database works and what the last verification found', async (t) => {
  await using context = await startUnderTest()
  const { caller, env } = context
  await until('the database works', async () => (await caller.metric('store_up')) === 1)
  t.ok(Number.isNaN(await caller.metric('audit_chain_intact')), 'nobody has looked yet')
  const { id } = await caller.rebuild()
  await until('it is recorded', async () => {
    const { body } = await caller.admin(`/admin/v1/audit/entries?subjectId=${id}`)
    return body.items.length > 0
  })
  const { body } = await caller.admin('/admin/v1/audit/verification')
  t.equal(body.intact, true)
  t.equal(await caller.metric('audit_chain_intact'), 1)
  const verifiedAt = await caller.metric('audit_verified_timestamp_seconds')
  t.equal(verifiedAt * 1_000, Date.parse(body.verifiedAt))

  const path = join(env['DATA_DIR'] ?? '', 'genesys-permission-check.sqlite')
  const triggers = await executeOnSqlite(path, [
    `select name from sqlite_master where type = 'trigger'`,
  ])
  await executeOnSqlite(path, [
    ...triggers.map(({ name }) => `drop trigger ${String(name)}`),
    `update audit_entries set actor = 'nobody'`,
  ])
  t.equal((await caller.admin('/admin/v1/audit/verification')).body.intact, false)
  t.equal(await caller.metric('audit_chain_intact'), 0)
})
