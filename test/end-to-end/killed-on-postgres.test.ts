import { test } from 'tap'
import { startPostgres } from '../store/support/postgres-server.ts'
import { dieAtEachStep } from './support/die-at-each-step.ts'

test('killed at every recorded step, nothing is lost or done twice: PostgreSQL', async (t) => {
  const postgres = await startPostgres()
  t.teardown(() => postgres[Symbol.asyncDispose]())
  await dieAtEachStep(t, await postgres.createDatabase(t))
})
