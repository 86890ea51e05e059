import { createHmac } from 'node:crypto'
import { test } from 'tap'
import { startEventReceiver } from '../../simulator/event-receiver.ts'

const [ONE, OTHER] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)] as const
const BODY = JSON.stringify({ event: 'drift.detected', total: 3 })

/** Signed for a time that is so many seconds from now. */
function headersFor(keys: readonly Buffer[], offsetSeconds = 0): Record<string, string> {
  const id = 'msg_1'
  const seconds = String(Math.floor(Date.now() / 1_000) + offsetSeconds)
  const signatures = keys.map((key) => {
    const text = [id, seconds, BODY].join('.')
    return `v1,${createHmac('sha256', key).update(text).digest('base64')}`
  })
  const signature = signatures.join(' ')
  return { 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': signature }
}

test('the receiver of the demo takes what is signed, and prints a line for it', async (t) => {
  const lines: string[] = []
  await using receiver = await startEventReceiver({
    secrets: () => [`whsec_${ONE.toString('base64')}`],
    print: (line) => lines.push(line),
  })
  const send = async (headers: Record<string, string>, body: string): Promise<number> => {
    const { status } = await fetch(`${receiver.url}/callback`, { method: 'POST', headers, body })
    return status
  }
  t.equal(await send(headersFor([ONE]), BODY), 204)
  t.equal(await send(headersFor([OTHER, ONE]), BODY), 204, 'either signature will do')
  t.same(lines, [
    'event for callback: drift.detected {"total":3} (signature verified)',
    'event for callback: drift.detected {"total":3} (signature verified)',
  ])
  t.equal(await send(headersFor([OTHER]), BODY), 401)
  t.equal(await send(headersFor([ONE]), `${BODY} `), 401)
  t.equal(await send(headersFor([ONE], -3_600), BODY), 401, 'an old message')
  t.equal(await send({}, BODY), 401)
  t.equal(await send(headersFor([ONE]), 'x'.repeat(100_000)), 413)
  t.equal(lines.length, 2)
})
