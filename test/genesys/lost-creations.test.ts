import { test } from 'tap'
import type { Test } from 'tap'
import { ALLOWLISTS, ENVIRONMENTS, environment, failureOf } from './architecture-under-test.ts'
import { OFFICE, openArchitectureUnderTest, signal } from './architecture-under-test.ts'
import type { ArchitectureUnderTest } from './architecture-under-test.ts'
import type { FaultRule } from '../../simulator/faults.ts'

const LOST = { kind: 'lost-answer', times: 1 } as const
const TOKEN = { match: { method: 'POST', path: '/oauth/token' } } as const

/** What both kinds of creations have in common. */
const KINDS = [
  {
    path: ENVIRONMENTS,
    create: ({ architecture }: ArchitectureUnderTest) =>
      architecture.createEnvironment({ draft: environment('dev'), maxEnvironments: 5 }, signal),
  },
  {
    path: ALLOWLISTS,
    create: ({ architecture }: ArchitectureUnderTest) =>
      architecture.createIpAllowlist(OFFICE, signal),
  },
] as const

type Kind = (typeof KINDS)[number]

/** A creation whose first answer is lost, and what else goes wrong. */
async function creating(
  kind: Kind,
  isListed: (context: ArchitectureUnderTest) => boolean,
  more: readonly Omit<FaultRule, 'match'>[] = [],
) {
  let opened: ArchitectureUnderTest | undefined
  const context = await openArchitectureUnderTest({
    consistencyDelayMs: 1,
    now: () => (opened && isListed(opened) ? 1 : 0),
  })
  opened = context
  const match = { method: 'POST', path: kind.path }
  for (const fault of [LOST, ...more]) context.simulator.faults.add({ ...fault, match })
  return context
}

const never = (): boolean => false

function paused(context: ArchitectureUnderTest): boolean {
  return context.waited(1_000, 2_000).length > 0
}

function forBoth(title: string, run: (t: Test, kind: Kind) => Promise<void>): void {
  for (const kind of KINDS) test(`${title}: ${kind.path}`, (t) => run(t, kind))
}

forBoth('a lost creation that is not listed yet is undecided', async (t, kind) => {
  await using context = await creating(kind, never)
  const failure = await failureOf(kind.create(context))
  t.match(failure, { code: 'upstream-busy', undecided: true, unexecuted: false })
  t.match(failure.message, /409 .*; and nothing of that name is listed yet/)
  t.equal(context.simulator.requests.of(`POST ${kind.path}`), 2)
})

forBoth('a lost creation before a platform that is down is undecided', async (t, kind) => {
  await using context = await creating(kind, never, [{ kind: 'status', status: 503 }])
  t.match(await failureOf(kind.create(context)), { undecided: true, upstream: { status: 503 } })
})

forBoth('a lost creation before a refusal is undecided', async (t, kind) => {
  await using context = await creating(kind, never, [{ kind: 'status', status: 403 }])
  const failure = await failureOf(kind.create(context))
  t.match(failure, { code: 'upstream-busy', undecided: true, upstream: { status: 403 } })
})

forBoth('a lost creation before a login that fails is undecided', async (t, kind) => {
  await using context = await creating(kind, never, [{ kind: 'status', status: 401 }])
  const code = 'invalid_client'
  context.simulator.faults.add({ ...TOKEN, kind: 'status', status: 400, code, after: 1 })
  t.match(await failureOf(kind.create(context)), { code: 'upstream-busy', undecided: true })
})

forBoth('a login that fails before anything is sent leaves nothing behind', async (t, kind) => {
  await using context = await openArchitectureUnderTest()
  const match = { method: 'POST', path: kind.path }
  context.simulator.faults.add({ match, kind: 'status', status: 401 })
  const code = 'invalid_client'
  context.simulator.faults.add({ ...TOKEN, kind: 'status', status: 400, code, after: 1 })
  const failure = await failureOf(kind.create(context))
  t.match(failure, { code: 'upstream-refused', undecided: false, unexecuted: true })
})

forBoth('looking before anything is sent leaves nothing behind', async (t, kind) => {
  await using context = await openArchitectureUnderTest()
  context.simulator.faults.add({ match: { path: kind.path }, kind: 'reset' })
  t.match(await failureOf(kind.create(context)), { code: 'upstream-busy', unexecuted: true })
})

forBoth('a lost creation is looked for right before it would be sent again', async (t, kind) => {
  // It is listed as soon as the pause before the second attempt is over.
  await using context = await creating(kind, paused)
  t.match(await kind.create(context), { outcome: 'recovered', attempts: 1 })
  t.equal(context.simulator.requests.of(`POST ${kind.path}`), 1)
})

forBoth('and before each further attempt, whatever the last one met', async (t, kind) => {
  const sent = ({ simulator }: ArchitectureUnderTest) =>
    simulator.requests.of(`POST ${kind.path}`) > 1
  const fault = { kind: 'status', status: 503, retryAfterSeconds: 1 } as const
  await using context = await creating(kind, sent, [fault])
  t.match(await kind.create(context), { outcome: 'recovered', attempts: 2 })
  t.equal(context.simulator.requests.of(`POST ${kind.path}`), 2)
})
