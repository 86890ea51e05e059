import { test } from 'tap'
import type { Test } from 'tap'
import type { Delivery } from '../../src/domain/delivery.ts'
import { Secret } from '../../src/domain/secret.ts'
import { sign } from '../../src/webhooks/sign.ts'
import { openWebhookSender } from '../../src/webhooks/webhook-sender.ts'
import { isGenuine, startReceiver, WEBHOOK_SECRET } from '../support/webhook-receiver.ts'

const NOW = Date.parse('2026-11-21T12:30:00.900Z')
const never = new AbortController().signal

const delivery: Delivery = {
  id: 'd1',
  target: 'callback',
  event: 'ALLOWLIST_CREATED',
  subject: 'ip-allowlist a1',
  body: '{"event":"ALLOWLIST_CREATED","name":"Büro"}',
  state: 'pending',
  attempts: 1,
  createdAt: NOW,
  dueAt: NOW,
  expiresAt: NOW + 1,
  lastAttemptAt: NOW,
  finishedAt: null,
  error: null,
}

const SECRETS = [new Secret(WEBHOOK_SECRET)]

async function open(t: Test, timeoutMs = 60_000, secrets: readonly Secret[] = SECRETS) {
  const receiver = await startReceiver(t)
  const sender = openWebhookSender({
    addresses: { callback: new Secret(receiver.url) },
    secrets,
    now: () => NOW,
    timeoutMs,
  })
  t.teardown(() => sender[Symbol.asyncDispose]())
  return { receiver, sender }
}

test('a signature is that of the convention’s own example', (t) => {
  const message = {
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    seconds: 1614265330,
    body: '{"test": 2432232314}',
  }
  t.same(sign(message, [new Secret('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')]), {
    'webhook-id': message.id,
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  })
  t.end()
})

test('an event arrives as it was written, signed', async (t) => {
  const { receiver, sender } = await open(t)
  t.same(await sender.send(delivery, never), { ok: true })
  const [received] = receiver.received
  t.match(received, {
    method: 'POST',
    path: '/hook?token=hunter2',
    text: delivery.body,
    headers: {
      'content-type': 'application/json',
      'webhook-id': 'd1',
      'webhook-timestamp': String(Math.floor(NOW / 1_000)),
    },
  })
  t.ok(received && isGenuine(received))
  t.notOk(received && isGenuine({ ...received, text: `${received.text} ` }))
})

test('what is no 2xx has not arrived, and no redirect is followed', async (t) => {
  const { receiver, sender } = await open(t)
  receiver.answer = (response) => {
    response.writeHead(307, { location: `${receiver.url}&again` }).end()
  }
  t.same(await sender.send(delivery, never), { ok: false, error: 'answered 307' })
  t.equal(receiver.received.length, 1)
  receiver.answer = (response) => void response.writeHead(503, { 'retry-after': '17' }).end('no')
  t.same(await sender.send(delivery, never), {
    ok: false,
    error: 'answered 503',
    retryAfterSeconds: 17,
  })
})

test('a receiver may name the time from which it wants to be asked again', async (t) => {
  const { receiver, sender } = await open(t)
  const answers = {
    'Sat, 21 Nov 2026 12:32:01 GMT': 121,
    'Sat, 21 Nov 2026 12:00:00 GMT': 0,
    soon: undefined,
    '2030': 2_030,
    '-5': undefined,
  }
  for (const [header, seconds] of Object.entries(answers)) {
    receiver.answer = (response) => {
      response.writeHead(429, { 'retry-after': header }).end()
    }
    t.same(
      await sender.send(delivery, never),
      {
        ok: false,
        error: 'answered 429',
        ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }),
      },
      header,
    )
  }
})

test('while a secret is changed a receiver may know either', async (t) => {
  const other = new Secret(`whsec_${Buffer.alloc(32, 9).toString('base64')}`)
  for (const secrets of [
    [...SECRETS, other],
    [other, ...SECRETS],
  ]) {
    const { receiver, sender } = await open(t, 60_000, secrets)
    t.same(await sender.send(delivery, never), { ok: true })
    const [received] = receiver.received
    t.ok(received && isGenuine(received))
    t.match(received?.headers['webhook-signature'], /^v1,\S+ v1,\S+$/)
  }
})

test('a receiver that hangs is left after the limit', async (t) => {
  const { receiver, sender } = await open(t, 50)
  receiver.answer = () => undefined
  // The limit may be over before anything was sent.
  do {
    t.same(await sender.send(delivery, never), { ok: false, error: 'no answer within 50 ms' })
  } while (receiver.received.length === 0)
})

test('an answer without end is cut off', async (t) => {
  const { receiver, sender } = await open(t)
  let written = 0
  const closed = Promise.withResolvers<void>()
  receiver.answer = (response) => {
    response.writeHead(200)
    const chunk = Buffer.alloc(8 * 1024)
    const write = (): void => {
      if (response.destroyed) return
      written += chunk.length
      response.write(chunk, () => setImmediate(write))
    }
    response.on('close', () => closed.resolve())
    write()
  }
  t.same(await sender.send(delivery, never), { ok: true }, 'it had said yes')
  await closed.promise
  t.ok(written < 64 * 1024 * 1024)
})

test('nobody there is told without the address', async (t) => {
  const { receiver, sender } = await open(t)
  await receiver.stop()
  t.same(await sender.send(delivery, never), { ok: false, error: 'no connection (ECONNREFUSED)' })
  t.same(await sender.send({ ...delivery, target: 'monitoring' }, never), {
    ok: false,
    error: 'no address is configured',
  })
})

test('sending is called off with the signal', async (t) => {
  const { receiver, sender } = await open(t)
  const stop = new AbortController()
  receiver.answer = () => stop.abort(new Error('enough'))
  await t.rejects(sender.send(delivery, stop.signal), { message: 'enough' })
})
