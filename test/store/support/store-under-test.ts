import { join } from 'node:path'
import type { Test } from 'tap'
import type { Json, NewAuditEntry } from '../../../src/domain/audit.ts'
import type { NewBatch } from '../../../src/domain/role-change-store.ts'
import { openStore } from '../../../src/store/store.ts'
import type { StoreState } from '../../../src/store/database.ts'
import type { Store, StoreOptions } from '../../../src/store/store.ts'
import type { Logger } from '../../../src/observability/logger.ts'
import { recordingLogger } from '../../support/recording-logger.ts'
import type { LogLine } from '../../support/recording-logger.ts'
import type { TestDatabase } from './test-database.ts'

export const START = Date.parse('2026-03-01T10:00:00.000Z')

/** A busy machine may stand still for many seconds while a database is opened. */
export const OPEN_WAIT_MS = 120_000

/** A clock that stands where it was put. */
export type Clock = { now: number }

export type StoreUnderTest = {
  readonly store: Store
  readonly clock: Clock
  readonly logger: Logger
  readonly lines: readonly LogLine[]
  readonly witnessFile: string
  /** Resolves when the store enters a state, from its opening on. */
  readonly entered: (state: StoreState) => Promise<void>
  readonly close: () => Promise<void>
}

export function openTestStore(
  t: Test,
  database: TestDatabase,
  options: Partial<StoreOptions> & { readonly clock?: Clock } = {},
): StoreUnderTest {
  const { logger, lines } = recordingLogger()
  const { clock = { now: START }, ...others } = options
  const witnessFile = others.witnessFile ?? join(database.folder, 'audit-head.json')
  const entered = new Map<StoreState, PromiseWithResolvers<void>>()
  const whenEntered = (state: StoreState): PromiseWithResolvers<void> => {
    const known = entered.get(state) ?? Promise.withResolvers<void>()
    entered.set(state, known)
    return known
  }
  const store = openStore({
    database: database.location,
    logger,
    now: () => clock.now,
    openWaitMs: OPEN_WAIT_MS,
    ...others,
    witnessFile,
    onState: (state) => {
      others.onState?.(state)
      whenEntered(state).resolve()
    },
  })
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => (closed ??= Promise.resolve(store[Symbol.asyncDispose]()))
  t.teardown(close)
  return {
    store,
    clock,
    logger,
    lines,
    witnessFile,
    entered: (state) => whenEntered(state).promise,
    close,
  }
}

export function entry(parts: Partial<NewAuditEntry> = {}): NewAuditEntry {
  return {
    action: 'role_assignment_change',
    outcome: 'succeeded',
    actor: 'anna',
    requestId: 'request-1',
    userId: null,
    subjectId: null,
    before: null,
    after: null,
    details: {},
    ...parts,
  }
}

export function numbered(count: number): NewAuditEntry[] {
  return Array.from({ length: count }, (_, index) => entry({ after: { number: index + 1 } }))
}

/** An entry that the trail refuses. */
export function oversized(): NewAuditEntry {
  const text: Json = 'x'.repeat(300 * 1024)
  return entry({ details: { text } })
}

export function batchOf(userIds: readonly string[], parts: Partial<NewBatch> = {}): NewBatch {
  return {
    requestedBy: 'anna',
    requestId: 'request-1',
    comment: 'spring cleaning',
    onFailure: 'stop',
    force: false,
    baseRevision: 7,
    items: userIds.map((userId) => ({
      userId,
      intent: { kind: 'delta', grant: [{ roleId: 'role-1', divisionId: '*' }], revoke: [] },
      before: [{ roleId: 'role-0', divisionId: 'home' }],
    })),
    ...parts,
  }
}

export function never(): AbortSignal {
  return new AbortController().signal
}
