import { createHash } from 'node:crypto'
import { test } from 'tap'
import type { NewAuditEntry } from '../../src/domain/audit.ts'
import { Failure } from '../../src/domain/failure.ts'
import { DEFAULT_ROLE_RULES } from '../../src/domain/role-rules.ts'
import type { RoleRule } from '../../src/domain/role-rules.ts'
import { StartAudit } from '../../src/worker/start-audit.ts'
import { recordingLogger } from '../support/recording-logger.ts'
import { ManualTime, until } from './support/manual-time.ts'

function open(rules: readonly RoleRule[] = DEFAULT_ROLE_RULES) {
  const { logger, lines } = recordingLogger()
  const time = new ManualTime()
  const entries: NewAuditEntry[] = []
  const store = { down: false, asked: 0 }
  const audit = new StartAudit({
    trail: {
      append: async (appended) => {
        entries.push(...appended)
        return []
      },
    },
    version: '1.2.3',
    rules,
    retentionDays: 365,
    witness: async () => {
      store.asked += 1
      if (store.down) throw new Failure('store-unavailable', 'the database is gone')
      return { state: 'present', count: 7 }
    },
    logger,
    clock: time,
  })
  return { audit, entries, store, time, lines }
}

function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex')
}

test('a start is recorded with the rules that are in force, what is kept, and the witness', async (t) => {
  const { audit, entries, lines } = open()
  audit.begin()
  await audit[Symbol.asyncDispose]()
  t.match(entries, [
    {
      action: 'service_started',
      outcome: 'succeeded',
      actor: 'service',
      details: {
        startedAt: '1970-01-01T00:16:40.000Z',
        version: '1.2.3',
        rulesCount: 2,
        rulesHash: hashOf(DEFAULT_ROLE_RULES),
        rules: DEFAULT_ROLE_RULES,
        retentionDays: 365,
        witness: { state: 'present', count: 7 },
      },
    },
  ])
  t.same(lines, [])
})

test('rules that are too many for an entry are told by number and hash', async (t) => {
  const sets = ['a', 'b'].map((set) =>
    Array.from({ length: 1_000 }, (_, i) => `${set}:entity:${i}`),
  )
  const rules = Array.from({ length: 100 }, (_, i): RoleRule => {
    return { name: `rule ${i}`, kind: 'segregates', permissions: sets, scope: 'overall' }
  })
  const { audit, entries } = open(rules)
  audit.begin()
  await audit[Symbol.asyncDispose]()
  t.match(entries, [{ details: { rulesCount: 100, rulesHash: hashOf(rules), rules: [] } }])
  t.ok(JSON.stringify(entries[0]!.details).length < 262_144)
})

test('a store that is down is tried again until it takes the entry, or the service stops', async (t) => {
  const { audit, entries, store, time, lines } = open()
  store.down = true
  audit.begin()
  for (let asked = 1; asked <= 3; asked++) {
    await until(() => store.asked === asked && time.pausing === 1)
    if (asked === 3) store.down = false
    time.pass(60_000)
  }
  await until(() => entries.length === 1)
  t.match(entries, [{ details: { startedAt: '1970-01-01T00:16:40.000Z' } }])
  await audit[Symbol.asyncDispose]()
  t.equal(lines.length, 1, 'told once')

  const stopped = open()
  stopped.store.down = true
  stopped.audit.begin()
  await until(() => stopped.time.pausing === 1)
  await stopped.audit[Symbol.asyncDispose]()
  t.same(stopped.entries, [])
})
