import { Secret } from '../../../src/domain/secret.ts'
import { createLogger } from '../../../src/observability/logger.ts'
import { openStore } from '../../../src/store/store.ts'
import { batchOf, entry, OPEN_WAIT_MS } from './store-under-test.ts'

/** Told in one line after each round: what the store says is durable. */
export type Told = { readonly count: number; readonly batches: number }

const [kind, location = '', witnessFile = ''] = process.argv.slice(2)
const store = openStore({
  database:
    kind === 'sqlite'
      ? { kind: 'sqlite', path: location }
      : { kind: 'postgres', url: new Secret(location) },
  witnessFile,
  logger: createLogger('silent'),
  now: Date.now,
  openWaitMs: OPEN_WAIT_MS,
})

/** Writes for as long as it is let: it is there to be killed. */
for (let batches = 1; ; batches += 1) {
  const [entries] = await Promise.all([
    store.audit.append([entry(), entry()]),
    store.roleChanges.accept(batchOf([`user-${batches}`]), (id) => [entry({ subjectId: id })]),
    store.audit.append([entry()]),
  ])
  const count = entries.at(-1)?.sequence ?? 0
  process.stdout.write(`${JSON.stringify({ count, batches } satisfies Told)}\n`)
}
