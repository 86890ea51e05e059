import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import type { Test } from 'tap'
import type { CheckAppDeps } from '../../src/http/check/check-app.ts'
import { DIVISIONS, USERS } from '../http/support/organization.ts'
import { CHECK_SECRET, startCheckPlane } from '../http/support/planes.ts'

/** Authorization API 1.0, 10.1: however a body arrives on its connection, it is read whole. */

const ada = { type: 'user', id: USERS.ada }
const resource = { type: 'routing:queue', id: DIVISIONS.sales }
const YES = { subject: ada, action: { name: 'view' }, resource }
const NO = { ...YES, action: { name: 'edit' } }

function requestOf(question: unknown): string {
  const body = JSON.stringify(question)
  return [
    'POST /access/v1/evaluation HTTP/1.1',
    'host: localhost',
    `authorization: Bearer ${CHECK_SECRET}`,
    'content-type: application/json',
    `content-length: ${body.length}`,
    '',
    body,
  ].join('\r\n')
}

async function openConnection(t: Test, overrides: Partial<CheckAppDeps> = {}) {
  const { app } = startCheckPlane(t, overrides)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  t.teardown(() => socket.destroy())
  let text = ''
  let told: (() => void) | undefined
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk
    told?.()
  })
  /** The next answers on the connection: their status, and decision where there is one. */
  const answers = async (count: number): Promise<unknown[]> => {
    const pattern = /HTTP\/1\.1 (\d+)[^]*?\r\n\r\n(?:\{"decision":(\w+).*?\}(?=HTTP|$))?/g
    for (;;) {
      const found = [...text.matchAll(pattern)]
      if (found.length === count) {
        text = ''
        return found.map(([, status, decision]) => [Number(status), decision])
      }
      await new Promise<void>((resolve) => {
        told = resolve
      })
    }
  }
  /** Resolves once the bytes have left, so that what is written next arrives on its own. */
  const write = (part: string) =>
    new Promise<void>((resolve) => socket.write(part, () => resolve()))
  return { app, write, answers }
}

test('a body in one piece, in many, and one right behind the other', async (t) => {
  const { write, answers } = await openConnection(t)
  await write(requestOf(YES))
  t.same(await answers(1), [[200, 'true']])
  const split = requestOf(NO)
  const head = split.indexOf('\r\n\r\n') + 4
  for (const part of [split.slice(0, head), split.slice(head, head + 10), split.slice(head + 10)]) {
    await write(part)
    await new Promise(setImmediate)
  }
  t.same(await answers(1), [[200, 'false']])
  await write(requestOf(YES) + requestOf(NO) + requestOf(YES))
  t.same(
    await answers(3),
    [
      [200, 'true'],
      [200, 'false'],
      [200, 'true'],
    ],
    'in their order',
  )
  await write(requestOf({}) + requestOf(YES))
  t.same(
    await answers(2),
    [
      [400, undefined],
      [200, 'true'],
    ],
    'a bad request does not harm the one behind it',
  )
})

test('a body that has arrived before its caller is known', async (t) => {
  const principal = { name: 'gateway', scopes: new Set(['check'] as const) }
  const { write, answers } = await openConnection(t, {
    auth: { authenticate: () => Promise.resolve(principal) },
  })
  await write(requestOf(YES))
  t.same(await answers(1), [[200, 'true']])
  await write(requestOf(NO) + requestOf(YES))
  t.same(await answers(2), [
    [200, 'false'],
    [200, 'true'],
  ])
})

test('a connection that ends within a body takes nothing with it', async (t) => {
  const { app, write, answers } = await openConnection(t)
  await write(requestOf(YES))
  t.same(await answers(1), [[200, 'true']])
  const closed = new Promise<void>((resolve) => {
    app.server.once('connection', (socket) => socket.once('close', resolve))
  })
  const other = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  other.write(requestOf(YES).slice(0, -5), () => other.destroy())
  await closed
  await write(requestOf(NO))
  t.same(await answers(1), [[200, 'false']])
})
