import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'tap'
import type { Test } from 'tap'
import { DELIVERY_LIFETIME_MS, EVENT_TARGETS } from '../../src/domain/delivery.ts'
import type { DeliveryStore, EventTarget, WebhookSender } from '../../src/domain/delivery.ts'
import { Secret } from '../../src/domain/secret.ts'
import { openStore } from '../../src/store/store.ts'
import { openWebhookSender } from '../../src/webhooks/webhook-sender.ts'
import { DeliveryRunner } from '../../src/worker/delivery-runner.ts'
import type { DeliveryRunnerOptions } from '../../src/worker/delivery-runner.ts'
import { recordingLogger } from '../support/recording-logger.ts'
import { isGenuine, startReceiver, WEBHOOK_SECRET } from '../support/webhook-receiver.ts'
import type { Received, WebhookReceiver } from '../support/webhook-receiver.ts'
import { ManualTime } from './support/manual-time.ts'

const SEND_MS = 60_000
/** Ends a hopeless wait, nothing else: a busy machine may stand still for many seconds. */
const PATIENCE_MS = 120_000

/** Two receivers, a store that queues for both, and runners that bring it to them. */
async function open(
  t: Test,
  wrap: (store: DeliveryStore) => DeliveryStore = (store) => store,
  timeoutMs = SEND_MS,
) {
  const folder = await mkdtemp(join(tmpdir(), 'deliveries-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const { logger, lines } = recordingLogger()
  const time = new ManualTime(Date.parse('2026-11-21T12:00:00Z'))
  const receivers = { callback: await startReceiver(t), monitoring: await startReceiver(t) }
  const runners: DeliveryRunner[] = []
  const store = openStore({
    database: { kind: 'sqlite', path: join(folder, 'store.db') },
    witnessFile: join(folder, 'head.json'),
    logger,
    now: () => time.now(),
    eventTargets: ['callback', 'monitoring'],
    onQueued: () => {
      for (const runner of runners) runner.wake()
    },
  })
  const sender = openWebhookSender({
    addresses: {
      callback: new Secret(receivers.callback.url),
      monitoring: new Secret(receivers.monitoring.url),
    },
    secrets: [new Secret(WEBHOOK_SECRET)],
    now: () => time.now(),
    timeoutMs,
  })
  let busy = 0
  const watch = <Value>(work: Promise<Value>): Promise<Value> => {
    busy += 1
    return work.finally(() => (busy -= 1))
  }
  const watched: WebhookSender = {
    send: (delivery, signal) => watch(sender.send(delivery, signal)),
  }
  const results: string[] = []
  let seen = { pending: 0, dead: 0 }
  const metrics = {
    delivered: (target: string, result: string) => void results.push(`${target} ${result}`),
    deliveriesSeen: (counts: Awaited<ReturnType<DeliveryStore['counts']>>) => {
      seen = counts.callback
    },
  }
  const startRunner = (targets: readonly EventTarget[] = EVENT_TARGETS): DeliveryRunner => {
    const wrapped = wrap(store.deliveries)
    const deliveries: DeliveryRunnerOptions['store'] = {
      claim: (...all) => wrapped.claim(...all),
      settle: (...all) => watch(wrapped.settle(...all)),
      giveUpOthers: (...all) => wrapped.giveUpOthers(...all),
      counts: () => wrapped.counts(),
      removeDelivered: (...all) => wrapped.removeDelivered(...all),
    }
    const options = { store: deliveries, targets, sender: watched, metrics, logger, clock: time }
    const runner = new DeliveryRunner({ ...options, random: () => 0 })
    runners.push(runner)
    runner.begin()
    return runner
  }
  t.teardown(async () => {
    for (const runner of runners) await runner[Symbol.asyncDispose]()
    await sender[Symbol.asyncDispose]()
    await store[Symbol.asyncDispose]()
  })
  /** Lets time pass, though never while something is being sent or settled, until the condition holds. */
  const pass = async (stepMs: number, condition: () => boolean | Promise<boolean>) => {
    const end = performance.now() + PATIENCE_MS
    while (!(await condition())) {
      if (performance.now() > end)
        throw new Error(`waited in vain: ${JSON.stringify(lines.slice(-5))}`)
      if (busy === 0 && time.pausing >= runners.length) time.pass(stepMs)
      await delay(1)
    }
  }
  /** Tells of a batch that came to rest: an event for both. */
  const tell = (batch: string, state: string) =>
    store.audit.append([
      {
        action: 'role_changes_ended',
        outcome: 'succeeded',
        actor: 'anna',
        requestId: 'r1',
        userId: null,
        subjectId: batch,
        before: null,
        after: null,
        details: { state },
      },
    ])
  return { store, time, receivers, startRunner, pass, tell, results, lines, seen: () => seen }
}

function statesOf(taken: readonly Received[], batchId: string): unknown[] {
  return taken.filter(({ body }) => body['batchId'] === batchId).map(({ body }) => body['state'])
}

const idsOf = (received: readonly Received[]) =>
  received.map(({ headers }) => headers['webhook-id'])

const takenBy =
  ({ taken }: WebhookReceiver, count: number) =>
  () =>
    taken.length >= count

test('a receiver that is down for a while misses nothing, and keeps nobody else waiting', async (t) => {
  const { receivers, startRunner, pass, tell, results, seen } = await open(t)
  const { callback, monitoring } = receivers
  startRunner()
  await callback.stop()
  for (const state of ['1', '2', '3']) {
    await tell('a', state)
    await tell('b', state)
  }
  await pass(500, () => results.filter((each) => each === 'callback failed').length >= 8)
  await pass(500, takenBy(monitoring, 6))
  t.equal(callback.taken.length, 0)
  await pass(500, () => seen().pending === 6)
  await callback.start()
  await tell('a', '4')
  await pass(500, takenBy(callback, 7))
  t.same(statesOf(callback.taken, 'a'), ['1', '2', '3', '4'])
  t.same(statesOf(callback.taken, 'b'), ['1', '2', '3'])
  t.same(statesOf(monitoring.taken, 'a'), ['1', '2', '3', '4'])
  t.equal(new Set(idsOf(callback.taken)).size, 7, 'each once')
  t.ok(callback.received.every(isGenuine))
  await pass(500, () => seen().pending === 0)
})

test('a receiver that hangs is tried again, and the other one hears everything meanwhile', async (t) => {
  const { receivers, startRunner, pass, tell } = await open(t, (store) => store, 100)
  const { callback, monitoring } = receivers
  callback.answer = () => undefined
  startRunner()
  for (const batch of ['a', 'b', 'c', 'd', 'e', 'f']) await tell(batch, 'succeeded')
  await pass(500, takenBy(monitoring, 6))
  await pass(500, () => callback.received.length >= 8)
  const [first] = callback.received
  const again = () =>
    callback.received.filter(
      ({ headers }) => headers['webhook-id'] === first?.headers['webhook-id'],
    )
  await pass(500, () => again().length >= 2)
  t.ok(
    again().every(({ text }) => text === first?.text),
    'the same bytes under the same id',
  )
  callback.answer = (response) => void response.writeHead(200).end('ok')
  await pass(500, () => new Set(idsOf(callback.taken)).size === 6)
})

test('two instances send each event once, in order', async (t) => {
  const { receivers, startRunner, pass, tell } = await open(t)
  startRunner()
  startRunner()
  const states = Array.from({ length: 12 }, (_, index) => String(index))
  for (const state of states) await Promise.all([tell('a', state), tell(`b${state}`, state)])
  await pass(500, takenBy(receivers.callback, 24))
  await pass(500, takenBy(receivers.monitoring, 24))
  for (const { received } of Object.values(receivers)) {
    t.same(statesOf(received, 'a'), states)
    t.equal(received.length, 24)
  }
})

test('an event whose arrival could not be recorded is sent again under its id', async (t) => {
  let failures = 1
  const { receivers, startRunner, pass, tell } = await open(t, (store) => ({
    claim: (...all) => store.claim(...all),
    counts: () => store.counts(),
    list: (...all) => store.list(...all),
    retry: (...all) => store.retry(...all),
    giveUpOthers: (...all) => store.giveUpOthers(...all),
    removeDelivered: (...all) => store.removeDelivered(...all),
    settle: async (claimed, end) => {
      if (claimed.target === 'callback' && failures-- > 0) throw new Error('killed')
      return await store.settle(claimed, end)
    },
  }))
  startRunner()
  await tell('a', '1')
  await tell('a', '2')
  await pass(1_000, takenBy(receivers.callback, 3))
  t.same(statesOf(receivers.callback.taken, 'a'), ['1', '1', '2'])
  const ids = idsOf(receivers.callback.taken)
  t.equal(ids[0], ids[1])
})

test('what does not arrive for a day is a dead letter, until an admin has it sent again', async (t) => {
  const { store, time, receivers, startRunner, pass, tell, results, lines, seen } = await open(t)
  const { callback } = receivers
  callback.answer = (response) => void response.writeHead(500).end()
  startRunner()
  const startedAt = time.now()
  await tell('a', '1')
  await pass(5 * 60_000, () => seen().dead === 1)
  t.ok(time.now() - startedAt >= DELIVERY_LIFETIME_MS - 15 * 60_000, 'not a day has passed')
  t.ok(callback.received.length > 50, `${callback.received.length} attempts`)
  t.equal(results.filter((each) => each === 'callback dead').length, 1)
  t.ok(lines.some(({ level, msg }) => level === 50 && /given up/.test(msg)))
  t.notMatch(JSON.stringify(lines), 'hunter2')
  const attempts = callback.received.length
  const { items } = await store.deliveries.list({ limit: 5, state: 'dead' })
  t.match(items, [{ target: 'callback', attempts, error: 'answered 500' }])
  await tell('a', '2')
  callback.answer = (response) => void response.writeHead(200).end()
  await pass(500, takenBy(callback, 1))
  t.same(statesOf(callback.taken, 'a'), ['2'], 'the next one passes')
  await store.deliveries.retry(items[0]?.id ?? '', [])
  await pass(500, takenBy(callback, 2))
  t.same(statesOf(callback.taken, 'a'), ['2', '1'])
  await pass(500, () => seen().dead === 0)
})

test('what arrived is forgotten after a week', async (t) => {
  const { store, receivers, startRunner, pass, tell } = await open(t)
  startRunner()
  await tell('a', '1')
  await pass(500, takenBy(receivers.callback, 1))
  const hour = 60 * 60_000
  await pass(hour, async () => (await store.deliveries.list({ limit: 1 })).items.length === 0)
  t.equal(receivers.callback.taken.length, 1)
})

test('a store that is away is waited for', async (t) => {
  let away = true
  const { receivers, startRunner, pass, tell, lines } = await open(t, (store) => ({
    claim: async (...all) => {
      if (away) throw new Error('away')
      return await store.claim(...all)
    },
    counts: () => store.counts(),
    list: (...all) => store.list(...all),
    retry: (...all) => store.retry(...all),
    giveUpOthers: (...all) => store.giveUpOthers(...all),
    removeDelivered: (...all) => store.removeDelivered(...all),
    settle: (...all) => store.settle(...all),
  }))
  startRunner()
  await tell('a', '1')
  await pass(1_000, () => lines.some(({ msg }) => /cannot be looked for/.test(msg)))
  t.equal(lines.filter(({ msg }) => /cannot be looked for/.test(msg)).length, 1)
  away = false
  await pass(1_000, takenBy(receivers.callback, 1))
  t.same(statesOf(receivers.callback.taken, 'a'), ['1'])
})

test('an instance leaves alone what it has no address for, until its time is over', async (t) => {
  const claimed: EventTarget[] = []
  const { store, time, receivers, startRunner, pass, tell, seen, lines } = await open(
    t,
    (deliveries) => ({
      claim: (target, lease) => {
        claimed.push(target)
        return deliveries.claim(target, lease)
      },
      counts: () => deliveries.counts(),
      list: (...all) => deliveries.list(...all),
      retry: (...all) => deliveries.retry(...all),
      giveUpOthers: (...all) => deliveries.giveUpOthers(...all),
      removeDelivered: (...all) => deliveries.removeDelivered(...all),
      settle: (...all) => deliveries.settle(...all),
    }),
  )
  startRunner(['monitoring'])
  await tell('a', '1')
  await pass(500, takenBy(receivers.monitoring, 1))
  await pass(500, () => seen().pending === 1)
  t.match((await store.deliveries.list({ limit: 2 })).items, [
    { target: 'monitoring' },
    { target: 'callback', state: 'pending', attempts: 0, error: null },
  ])
  const startedAt = time.now()
  await pass(30 * 60_000, () => seen().dead === 1)
  t.ok(time.now() - startedAt >= DELIVERY_LIFETIME_MS - 60_000)
  t.equal(receivers.callback.received.length, 0)
  t.notOk(claimed.includes('callback'))
  t.ok(lines.some(({ level, msg }) => level === 50 && /without an address/.test(msg)))
})

test('without any address nothing is looked for but the counts', async (t) => {
  const calls: string[] = []
  const noted = <Value>(name: string, value: Value): Value => {
    calls.push(name)
    return value
  }
  const { startRunner, pass, time } = await open(t, (deliveries) => ({
    claim: (...all) => noted('claim', deliveries.claim(...all)),
    counts: () => noted('counts', deliveries.counts()),
    list: (...all) => deliveries.list(...all),
    retry: (...all) => deliveries.retry(...all),
    giveUpOthers: (...all) => noted('giveUpOthers', deliveries.giveUpOthers(...all)),
    removeDelivered: (...all) => noted('removeDelivered', deliveries.removeDelivered(...all)),
    settle: (...all) => noted('settle', deliveries.settle(...all)),
  }))
  startRunner([])
  const startedAt = time.now()
  await pass(1_000, () => time.now() - startedAt >= 10 * 60_000)
  t.same(new Set(calls), new Set(['counts', 'giveUpOthers', 'removeDelivered']))
  t.equal(calls.filter((name) => name !== 'counts').length, 2, 'once an hour')
  t.ok(calls.length <= 2 + 11, 'once a minute')
})
