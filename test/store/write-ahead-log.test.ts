import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'tap'
import type { Test } from 'tap'
import { useWriteAheadLog } from '../../src/store/write-ahead-log.ts'
import { temporaryFolder } from './support/test-database.ts'

const TIMEOUT_MS = 60_000

function exec(): never {
  throw new Error('the disk is gone')
}

/** Two connections to a new file, of which the first one holds its lock. */
async function contended(t: Test) {
  const path = join(await temporaryFolder(t), 'store.db')
  const [holder, comer] = [new DatabaseSync(path), new DatabaseSync(path, { timeout: TIMEOUT_MS })]
  t.teardown(() => [holder, comer].forEach((each) => each.close()))
  holder.exec('begin immediate; create table one (id int)')
  return { holder, comer }
}

test('a connection waits for others that make the same file', async (t) => {
  const { holder, comer } = await contended(t)
  let pauses = 0
  useWriteAheadLog(comer, TIMEOUT_MS, () => {
    pauses += 1
    holder.exec('commit')
  })
  t.equal(pauses, 1)
  t.match(comer.prepare('pragma journal_mode').get(), { journal_mode: 'wal' })
})

test('it does not wait for ever, nor for what no waiting mends', async (t) => {
  const { comer } = await contended(t)
  t.throws(() => useWriteAheadLog(comer, 1), { message: 'database is locked' })
  const pause = (): void => void t.fail('it waited')
  t.throws(() => useWriteAheadLog({ exec }, TIMEOUT_MS, pause), { message: 'the disk is gone' })
})
