import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { mock } from 'node:test'
import { test } from 'tap'
import { Interruption } from '../../src/cli/interruption.ts'
import { OutputStream } from '../../src/cli/output-stream.ts'
import { carryOut } from '../../src/cli/platform/carry-out.ts'
import type { EndedItem } from '../../src/cli/platform/outcome-rows.ts'
import { Session } from '../../src/cli/session.ts'
import { Failure } from '../../src/domain/failure.ts'

const failure = new Failure('upstream-refused', 'no such member')
const change = { field: 'name', before: null, after: 'A' }
const DONE: EndedItem = { state: 'done', value: { outcome: 'changed', id: 'a', changes: [change] } }
const SAME: EndedItem = { state: 'done', value: { outcome: 'unchanged', id: 'a', changes: [] } }
const UNSHOWN: EndedItem = {
  state: 'done',
  value: { outcome: 'unconfirmed', id: 'a', changes: [change] },
}
const FAILED: EndedItem = { state: 'failed', failure }
const IN_PART: EndedItem = { state: 'failed', failure, id: 'a', changes: [change] }

function openSession() {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
  const stop = new AbortController()
  const { signal } = stop
  const surroundings = { env: {}, folder: '/', stdin, stdout, stderr, signal, atOnce: signal }
  const streams = { stdout: new OutputStream(stdout), stderr: new OutputStream(stderr) }
  const session = new Session(surroundings, { timeout: 1, output: 'json' }, streams)
  const told = async () => {
    stdout.end()
    stderr.end()
    return { rows: JSON.parse(await text(stdout)) as object[], notes: await text(stderr) }
  }
  return { session, stop, told }
}

const QUEUES = { what: 'queue', thing: 'queue', concurrency: 2, nameOf: String }

test('what was done of a thing that failed is told, and makes it partial', async (t) => {
  const cases = [
    [[DONE, SAME], 0, /^$/],
    [[UNSHOWN], 0, /1 of 1 written and not shown by the platform yet/],
    [[FAILED, FAILED], 3, /2 of 2 failed; run the same command again/],
    [[FAILED, SAME], 4, /1 of 2 failed;/],
    [[IN_PART], 4, /1 of 1 failed, some of them in part;/],
  ] as const
  for (const [ends, code, note] of cases) {
    const { session, told } = openSession()
    const exitCode = await carryOut(session, {
      ...QUEUES,
      items: [...ends.keys()],
      run: async ({ onEnd }) => ends.forEach((end, item) => onEnd(item, end)),
    })
    const { rows, notes } = await told()
    t.equal(exitCode, code, notes)
    t.match(notes, note)
    if (ends[0] !== IN_PART) continue
    t.match(rows, [{ outcome: 'failed', id: 'a', changes: [change], error: { message: /member/ } }])
  }
})

test('an interruption waits ten seconds for what is in hand, then tells what is known', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const { session, stop, told } = openSession()
  const begun = Promise.withResolvers<void>()
  const work = carryOut(session, {
    ...QUEUES,
    items: [0, 1, 2, 3],
    run: ({ signal, onEnd }) => {
      onEnd(0, DONE)
      begun.resolve()
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason))
      })
    },
  })
  await begun.promise
  stop.abort(new Interruption('SIGINT'))
  mock.timers.tick(9_999)
  mock.timers.tick(1)
  await t.rejects(work, { name: 'Interruption' })
  const { rows, notes } = await told()
  t.match(
    rows,
    ['changed', 'interrupted', 'interrupted', 'not-started'].map((outcome) => ({ outcome })),
  )
  t.match(notes, /finishing 2 queues in hand/)
  t.match(session.resumption, /1 of 4 not begun, 2 interrupted .*; run the same command again/)
})

test('a mistake in one thing hides no other', async (t) => {
  const { session, told } = openSession()
  const work = carryOut(session, {
    ...QUEUES,
    items: [0, 1],
    run: ({ onEnd }) => {
      onEnd(0, DONE)
      return Promise.reject(new TypeError('a bug'))
    },
  })
  await t.rejects(work, { name: 'TypeError' })
  t.match((await told()).rows, [{ outcome: 'changed' }, { outcome: 'interrupted' }])
})
