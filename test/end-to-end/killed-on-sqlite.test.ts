import { test } from 'tap'
import { createSqliteDatabase } from '../store/support/test-database.ts'
import { dieAtEachStep } from './support/die-at-each-step.ts'

test('killed at every recorded step, nothing is lost or done twice: SQLite', async (t) => {
  await dieAtEachStep(t, await createSqliteDatabase(t))
})
