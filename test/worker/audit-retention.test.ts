import { test } from 'tap'
import { AuditRetention } from '../../src/worker/audit-retention.ts'
import type { AuditRetentionOptions } from '../../src/worker/audit-retention.ts'
import { recordingLogger } from '../support/recording-logger.ts'
import { until } from './support/manual-time.ts'

const NOW = Date.parse('2026-03-31T10:00:00.000Z')

function retention(prune: AuditRetentionOptions['prune'], days = 30) {
  const { logger, lines } = recordingLogger()
  return { lines, retention: new AuditRetention({ days, prune, logger, now: () => NOW }) }
}

test('what is past its retention is removed at the start', async (t) => {
  const asked: Date[] = []
  const { retention: kept, lines } = retention(async (olderThan) => {
    asked.push(olderThan)
    return { entries: 3 }
  })
  kept.begin()
  await until(() => lines.length === 1, 'a line')
  await kept[Symbol.asyncDispose]()
  t.same(asked, [new Date('2026-03-01T10:00:00.000Z')])
  t.match(lines, [{ level: 30, days: 30, entries: 3, msg: /removed/ }])
})

test('where everything is kept nothing is asked for', async (t) => {
  const { retention: kept } = retention(() => t.fail('it pruned') as never, 0)
  kept.begin()
  await kept[Symbol.asyncDispose]()
})

test('a pruning that was withheld is warned of, one that failed is an error', async (t) => {
  const withheld = retention(async () => ({ entries: 0, withheld: 'the clock is wrong' }))
  withheld.retention.begin()
  await until(() => withheld.lines.length === 1, 'a line')
  t.match(withheld.lines, [{ level: 40, withheld: 'the clock is wrong', msg: /kept/ }])
  const failed = retention(() => Promise.reject(new Error('no disk')))
  failed.retention.begin()
  await until(() => failed.lines.length === 1, 'a line')
  t.match(failed.lines, [{ level: 50, msg: /could not be removed/ }])
  await Promise.all([
    withheld.retention[Symbol.asyncDispose](),
    failed.retention[Symbol.asyncDispose](),
  ])
})

test('stopping interrupts a pruning, and waits for its end', async (t) => {
  let ended = false
  const { retention: kept, lines } = retention(
    (_olderThan, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          ended = true
          reject(signal.reason as Error)
        })
      }),
  )
  kept.begin()
  await kept[Symbol.asyncDispose]()
  t.equal(ended, true)
  t.same(lines, [], 'and is no failure')
})
