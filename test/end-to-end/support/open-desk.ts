import type { Test } from 'tap'
import type { Overrides } from '../../../src/service.ts'
import type { TestDatabase } from '../../store/support/test-database.ts'
import { databaseUrl } from './both-stores.ts'
import { ChangeDesk } from './change-desk.ts'
import { startUnderTest } from './service-under-test.ts'
import type { UnderTest } from './service-under-test.ts'
import { until } from './until.ts'

type Options = Omit<NonNullable<Parameters<typeof startUnderTest>[0]>, 'overrides'> & {
  readonly overrides?: Omit<Overrides, 'roleChanges'>
  readonly onStep?: NonNullable<Overrides['roleChanges']>['onStep']
}

/** A change is waited for to show on the platform no longer than this. */
export const READ_BACK = { firstMs: 20, maxMs: 100, boundMs: 400 }

export type OpenDesk = UnderTest & { readonly desk: ChangeDesk }

/** A service on a database, with somebody who changes roles; nothing else comes into its trail. */
export async function openDesk(
  t: Test,
  database: TestDatabase,
  { onStep, ...options }: Options = {},
): Promise<OpenDesk> {
  const context = await startUnderTest({
    ...options,
    overrides: {
      ...options.overrides,
      roleChanges: {
        readBack: READ_BACK,
        publicationPauseMs: 0,
        ...(onStep ? { onStep } : {}),
      },
    },
    env: { ...databaseUrl(database), ...options.env },
  })
  t.teardown(() => context[Symbol.asyncDispose]())
  const desk = new ChangeDesk(context.caller)
  await until('the start is in the trail', async () => {
    return (await desk.entries('action=service_started')).length > 0
  })
  return { ...context, desk }
}

/** Holds up the runs of all batches at one moment until it is opened. */
export class Gate {
  readonly #step: string
  readonly #opened = Promise.withResolvers<void>()
  /** Runs that have come to it. */
  waiting = 0

  constructor(step: string) {
    this.#step = step
  }

  readonly onStep = async (step: string): Promise<void> => {
    if (step !== this.#step) return
    this.waiting += 1
    await this.#opened.promise
  }

  open(): void {
    this.#opened.resolve()
  }
}
