import { test } from 'tap'
import { retryAfterSeconds } from '../../src/domain/retry-after.ts'
import { Budget } from '../../src/genesys/budget.ts'
import type { Priority } from '../../src/genesys/call-policy.ts'
import { backoffMs, retryCause } from '../../src/genesys/retry-rules.ts'
import type { Outcome } from '../../src/genesys/retry-rules.ts'
import { TokenKeeper } from '../../src/genesys/token.ts'
import { ManualClock, settle } from './clocks.ts'

const { signal } = new AbortController()

function openBudget(requestsPerMinute: number, concurrency: number, maxWaiting = 1000) {
  const clock = new ManualClock()
  const reported: number[] = []
  const onRemaining = (remaining: number): void => void reported.push(remaining)
  const budget = new Budget({ requestsPerMinute, concurrency, clock, maxWaiting, onRemaining })
  return { clock, budget, reported }
}

test('sends no more requests in any minute than it may, evenly after a small burst', async (t) => {
  const { clock, budget } = openBudget(60, 1000)
  const sentAt: number[] = []
  for (let i = 0; i < 200; i++) {
    void budget.acquire('rebuild', signal).then(() => sentAt.push(clock.now()))
  }
  await clock.advance(180_000)
  for (const [index, at] of sentAt.entries()) {
    const after = sentAt.slice(index).filter((other) => other < at + 60_000)
    t.ok(after.length <= 60, `${after.length} requests within the minute from ${at}`)
  }
  t.ok(sentAt.length >= 165, `${sentAt.length} requests in three minutes`)
  t.equal(sentAt.filter((at) => at === 0).length, 3)
})

test('lets the higher priority go first, and within one whoever came first', async (t) => {
  const { clock, budget } = openBudget(6000, 1)
  const release = await budget.acquire('rebuild', signal)
  const order: string[] = []
  const ask = (priority: Priority, name: string): void => {
    void budget.acquire(priority, signal).then((giveBack) => {
      order.push(name)
      return giveBack()
    })
  }
  ask('rebuild', 'rebuild 1')
  ask('single-user', 'user 1')
  ask('role-change', 'change 1')
  ask('rebuild', 'rebuild 2')
  ask('role-change', 'change 2')
  ask('single-user', 'user 2')
  release()
  await clock.advance(1000)
  t.same(order, ['change 1', 'change 2', 'user 1', 'user 2', 'rebuild 1', 'rebuild 2'])
})

test('gives every fifth place to whoever has waited longest', async (t) => {
  const { clock, budget } = openBudget(6000, 1)
  const order: string[] = []
  const ask = (priority: Priority, name: string): void => {
    void budget.acquire(priority, signal).then((release) => {
      order.push(name)
      // Role changes without end: one has gone, and the next one waits.
      if (priority === 'role-change' && order.length < 20) ask('role-change', 'change')
      return release()
    })
  }
  ask('role-change', 'change')
  ask('role-change', 'change')
  for (let i = 0; i < 4; i++) ask('rebuild', 'rebuild')
  ask('single-user', 'user')
  await clock.advance(10_000)
  const places = order.flatMap((name, place) => (name === 'rebuild' ? [place] : []))
  t.same(places.slice(0, 3), [6, 11, 16])
  t.equal(places.length, 4)
})

test('has no more requests under way than it may', async (t) => {
  const { clock, budget } = openBudget(60_000, 4)
  let running = 0
  let most = 0
  const work = Array.from({ length: 20 }, async () => {
    const release = await budget.acquire('rebuild', signal)
    most = Math.max(most, ++running)
    await settle()
    running -= 1
    release()
    release()
  })
  for (let i = 0; i < 100; i++) await clock.advance(10)
  await Promise.all(work)
  t.equal(most, 4)
})

test('pauses for every priority after a 429 and goes on without a burst', async (t) => {
  const { clock, budget } = openBudget(240, 100)
  t.equal(budget.remaining, 10)
  budget.pause(30_000)
  t.equal(budget.remaining, 0)
  const sentAt: number[] = []
  for (let i = 0; i < 5; i++) {
    void budget.acquire('role-change', signal).then(() => sentAt.push(clock.now()))
  }
  await clock.advance(29_999)
  t.same(sentAt, [])
  await clock.advance(1)
  t.equal(sentAt.length, 1)
  await clock.advance(10_000)
  t.equal(sentAt.length, 5)
})

test('a shorter pause does not cut a longer one', async (t) => {
  const { clock, budget } = openBudget(240, 100)
  budget.pause(30_000)
  budget.pause(1000)
  let sent = false
  void budget.acquire('rebuild', signal).then(() => (sent = true))
  await clock.advance(29_000)
  t.notOk(sent)
  await clock.advance(1000)
  t.ok(sent)
})

test('whoever aborts while waiting leaves the queue at once', async (t) => {
  const { clock, budget } = openBudget(60, 1)
  await budget.acquire('rebuild', signal)
  const controller = new AbortController()
  const waiting = budget.acquire('rebuild', controller.signal)
  t.equal(budget.waiting, 1)
  const reason = new Error('not wanted any more')
  controller.abort(reason)
  await t.rejects(waiting, reason)
  await t.rejects(budget.acquire('rebuild', controller.signal), reason)
  t.equal(budget.waiting, 0)
  t.equal(clock.pendingTimers, 0)
})

test('refuses to let too many wait', async (t) => {
  const { budget } = openBudget(60, 1, 2)
  await budget.acquire('rebuild', signal)
  void budget.acquire('rebuild', signal)
  void budget.acquire('rebuild', signal)
  await t.rejects(budget.acquire('role-change', signal), { code: 'upstream-busy' })
})

test('reports what could be sent at once', async (t) => {
  const { budget, reported } = openBudget(240, 100)
  await budget.acquire('rebuild', signal)
  await budget.acquire('rebuild', signal)
  t.same(reported, [9, 8])
})

test('reads Retry-After as seconds or as a date, and nothing else', async (t) => {
  const now = Date.parse('2026-03-01T12:00:00Z')
  t.equal(retryAfterSeconds('17', now), 17)
  t.equal(retryAfterSeconds('0', now), 0)
  t.equal(retryAfterSeconds('Sun, 01 Mar 2026 12:00:30 GMT', now), 30)
  t.equal(retryAfterSeconds('Sun, 01 Mar 2026 11:00:00 GMT', now), 0)
  for (const nonsense of [undefined, '', 'soon', '-5', '1.5', '2026-03-01']) {
    t.equal(retryAfterSeconds(nonsense, now), undefined, `${nonsense}`)
  }
})

test('backs off exponentially, with full jitter, up to a bound', async (t) => {
  const most = [1, 2, 3, 4, 20].map((attempt) => backoffMs(attempt, () => 1))
  t.same(most, [500, 1000, 2000, 4000, 30_000])
  t.equal(
    backoffMs(3, () => 0),
    0,
  )
})

function answered(status: number): Outcome {
  return { kind: 'answered', status, body: undefined, retryAfter: undefined, correlationId: '' }
}

function network(unsent: boolean): Outcome {
  return { kind: 'network', unsent, errorCode: 'X' }
}

test('repeats a write only where it cannot have been executed', async (t) => {
  const cases: readonly (readonly [Outcome, string | undefined, string | undefined])[] = [
    // outcome, cause for a read, cause for a write
    [answered(429), '429', '429'],
    [answered(503), '5xx', '5xx'],
    [answered(500), '5xx', undefined],
    [answered(502), '5xx', undefined],
    [answered(504), '5xx', undefined],
    [answered(408), 'timeout', undefined],
    [answered(501), undefined, undefined],
    [answered(400), undefined, undefined],
    [answered(302), undefined, undefined],
    [network(true), 'network', 'network'],
    [network(false), 'network', undefined],
    [{ kind: 'timeout' }, 'timeout', undefined],
    [{ kind: 'malformed', status: 200, why: '' }, 'malformed', undefined],
  ]
  for (const [outcome, read, write] of cases) {
    t.equal(retryCause(outcome, true), read, JSON.stringify(outcome))
    t.equal(retryCause(outcome, false), write, JSON.stringify(outcome))
  }
  t.equal(retryCause(answered(409), true), undefined)
  t.equal(retryCause(answered(409), true, true), '409', 'another write at that moment')
})

function openTokens(lifetimeSeconds: number) {
  const clock = new ManualClock()
  const state = { logins: 0, failing: false }
  const keeper = new TokenKeeper(async () => {
    state.logins += 1
    const token = `token ${state.logins}`
    await settle()
    if (state.failing) throw new Error('no login')
    return { token, lifetimeSeconds }
  }, clock)
  return { clock, keeper, state }
}

test('logs in once for all who ask together', async (t) => {
  const { keeper, state } = openTokens(86_400)
  const tokens = await Promise.all([1, 2, 3].map(() => keeper.current(signal)))
  t.same(tokens, ['token 1', 'token 1', 'token 1'])
  t.equal(state.logins, 1)
})

test('renews five minutes ahead of expiry, or at four fifths of a short life', async (t) => {
  for (const [lifetime, renewedAfter] of [
    [86_400, 86_100],
    [300, 240],
    [10, 8],
  ] as const) {
    const { clock, keeper, state } = openTokens(lifetime)
    await keeper.current(signal)
    await clock.advance((renewedAfter - 1) * 1000)
    t.equal(await keeper.current(signal), 'token 1')
    await clock.advance(1000)
    t.equal(await keeper.current(signal), 'token 2')
    t.equal(state.logins, 2)
  }
})

test('a renewal that fails ahead of time leaves the old token in use until it expires', async (t) => {
  const { clock, keeper, state } = openTokens(300)
  await keeper.current(signal)
  state.failing = true
  await clock.advance(250_000)
  t.equal(await keeper.current(signal), 'token 1')
  await clock.advance(50_000)
  await t.rejects(keeper.current(signal), { message: 'no login' })
})

test('a refused token is renewed once, whoever reports it and how often', async (t) => {
  const { keeper, state } = openTokens(300)
  const old = await keeper.current(signal)
  keeper.refused(old)
  const renewed = await keeper.current(signal)
  keeper.refused(old)
  t.equal(await keeper.current(signal), renewed)
  t.equal(state.logins, 2)
})

test('one who aborts while a login runs does not take it from the others', async (t) => {
  const { keeper } = openTokens(300)
  const controller = new AbortController()
  const aborting = keeper.current(controller.signal)
  const patient = keeper.current(signal)
  controller.abort(new Error('gone'))
  await t.rejects(aborting, { message: 'gone' })
  t.equal(await patient, 'token 1')
})
