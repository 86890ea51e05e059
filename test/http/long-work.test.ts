import { EventEmitter, once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { test } from 'tap'
import { HeldBodies } from '../../src/http/held-bodies.ts'
import { LongWork } from '../../src/http/long-work.ts'
import type { Pause } from '../../src/http/long-work.ts'
import { until } from '../end-to-end/support/until.ts'
import { DIVISIONS, USERS } from './support/organization.ts'
import { bearer, CHECK_SECRET, startCheckPlane } from './support/planes.ts'

/** As much of a response as waiting for a turn looks at. */
function response() {
  const events = Object.assign(new EventEmitter(), { destroyed: false })
  const close = (): void => {
    events.destroyed = true
    events.emit('close')
  }
  return { raw: events as unknown as ServerResponse, close }
}

test('long requests are done one after the other, in the order of arrival', async (t) => {
  const work = new LongWork()
  const done: string[] = []
  const inSlices = (name: string) => async (pause: Pause) => {
    done.push(`${name} begins`)
    for (let i = 0; i < 5; i++) await pause()
    done.push(`${name} ends`)
  }
  const names = ['a', 'b', 'c']
  await Promise.all(names.map((name) => work.run(response().raw, inSlices(name))))
  t.same(done, [...['a begins', 'b begins', 'c begins'], ...['a ends', 'b ends', 'c ends']])
  await t.rejects(
    work.run(response().raw, async (pause) => {
      await pause()
      throw new Error('broken')
    }),
    /broken/,
  )
  t.equal(await work.run(response().raw, (pause) => pause()), true, 'a failed one leaves')
})

test('so many wait for their turn, the next one is refused, who goes away makes room', async (t) => {
  const work = new LongWork(2)
  const gate = Promise.withResolvers<void>()
  const first = work.run(response().raw, async (pause) => {
    await pause()
    await gate.promise
  })
  const gone = response()
  const waiting = [gone, response()].map(({ raw }) => work.run(raw, (pause) => pause()))
  await t.rejects(
    work.run(response().raw, (pause) => pause()),
    { code: 'overloaded', retryAfterSeconds: 2 },
  )
  gone.close()
  const next = work.run(response().raw, (pause) => pause())
  gate.resolve()
  await first
  t.same(await Promise.all([...waiting, next]), [false, true, true])
  t.equal(await work.run(gone.raw, (pause) => pause()), false)
  t.equal(await work.run(undefined, (pause) => pause()), true)
})

test('bodies are held up to so many bytes, counted as they arrive', (t) => {
  const bodies = new HeldBodies(100)
  const slow = bodies.hold(response().raw, 100)
  const { raw, close } = response()
  const other = bodies.hold(raw, NaN)
  other.add(60)
  slow.add(40)
  t.throws(() => slow.add(1), { code: 'overloaded', retryAfterSeconds: 2 })
  t.throws(() => bodies.hold(response().raw, 1), { code: 'overloaded' })
  close()
  other.add(1_000)
  slow.add(60)
  slow.release()
  slow.release()
  bodies.hold(response().raw, 100).add(100)
  t.throws(() => bodies.hold(response().raw, 1), { code: 'overloaded' })
  t.end()
})

const QUESTION = {
  subject: { type: 'user', id: USERS.ada },
  action: { name: 'view' },
  resource: { type: 'routing:queue', id: DIVISIONS.sales },
}
const MANY = { ...QUESTION, evaluations: Array.from({ length: 10_000 }, () => ({})) }
const EVALUATIONS = '/access/v1/evaluations'

test('large batches are answered in the order of arrival, beyond a queue not at all', async (t) => {
  const { post } = startCheckPlane(t, { longWorkLimits: { waiting: 2, bodyBytes: 1e6 } })
  const order: string[] = []
  const ask = async (name: string, body: unknown) => {
    const answer = await post(EVALUATIONS, body)
    order.push(`${name} ${answer.statusCode}`)
    return answer
  }
  const few = { ...QUESTION, evaluations: [{}, {}] }
  const answers = await Promise.all([
    ...['a', 'b', 'c', 'd'].map((name) => ask(name, MANY)),
    ask('few', few),
  ])
  t.same(order.slice(0, 2).toSorted(), ['d 503', 'few 200'], 'short ones wait for nobody')
  t.same(order.slice(2), ['a 200', 'b 200', 'c 200'])
  t.equal(answers[3]?.headers['retry-after'], '2')
  t.match(answers[3]?.body, /too many long requests/)
  const after = await post(EVALUATIONS, MANY)
  t.equal(after.statusCode, 200, 'there is room again')
  t.equal(after.json<{ evaluations: unknown[] }>().evaluations.length, 10_000)
})

test('bodies beyond the room for them are refused before they are read', async (t) => {
  const size = JSON.stringify(MANY).length
  const { post, app } = startCheckPlane(t, {
    longWorkLimits: { waiting: 10, bodyBytes: size * 1.5 },
  })
  const both = await Promise.all([post(EVALUATIONS, MANY), post(EVALUATIONS, MANY)])
  t.same(both.map(({ statusCode }) => statusCode).toSorted(), [200, 503])
  const broken = await post(EVALUATIONS, `${JSON.stringify(MANY)}]`)
  t.equal(broken.statusCode, 400)
  t.equal((await post(EVALUATIONS, MANY)).statusCode, 200, 'a broken one leaves its room')
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  const head = [
    `POST ${EVALUATIONS} HTTP/1.1`,
    'host: localhost',
    `authorization: ${bearer(CHECK_SECRET).authorization}`,
    'content-type: application/json',
    `content-length: ${size}`,
  ]
  const connected = once(app.server, 'connection')
  const sent = `${head.join('\r\n')}\r\n\r\n${JSON.stringify(MANY).slice(0, -1)}`
  socket.write(sent)
  const [connection] = (await connected) as [Socket]
  await until('it has arrived', () => connection.bytesRead === sent.length)
  t.equal((await post(EVALUATIONS, MANY)).statusCode, 503, 'what has arrived is held')
  const ended = once(connection, 'close')
  socket.destroy()
  await ended
  t.equal((await post(EVALUATIONS, MANY)).statusCode, 200, 'one that broke off does, too')
})
