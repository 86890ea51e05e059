import { Option } from 'commander'
import type { Command } from 'commander'
import { DELIVERY_STATES } from '../../domain/delivery.ts'
import type { DeliveryState } from '../../domain/delivery.ts'
import { Failure } from '../../domain/failure.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import { addDryRun, addExamples, addLimit } from '../global-options.ts'
import { reader } from '../service-answer.ts'
import type { ServiceClient } from '../service-client.ts'
import type { Run, Session } from '../session.ts'
import type { Column } from '../table-text.ts'

type ListOptions = { readonly state?: DeliveryState; readonly limit?: number }
type RetryOptions = { readonly allDead?: boolean; readonly dryRun?: boolean }

const PATH = '/admin/v1/deliveries'

/** `permctl deliveries`: events on their way to the webhooks. */
export function addDeliveries(program: Command, run: Run): void {
  const deliveries = program
    .command('deliveries')
    .description('events on their way to the webhooks, and those that were given up')
  addExamples(deliveries, [
    'permctl deliveries list --state dead',
    'permctl deliveries retry --all-dead',
  ])
  const list = deliveries
    .command('list')
    .description('events, newest first')
    .addOption(new Option('--state <state>', 'only those in this state').choices(DELIVERY_STATES))
    .action((options: ListOptions) => run((session) => listDeliveries(session, options)))
  addLimit(list)
  addExamples(list, [
    'permctl deliveries list --state dead',
    'permctl deliveries list --output ndjson | jq -r .lastError',
  ])
  const retry = deliveries
    .command('retry')
    .description('try deliveries at once, and for another day')
    .argument('[id]', 'id of one delivery')
    .option('--all-dead', 'all that were given up')
    .action((id: string | undefined, options: RetryOptions) => {
      return run((session) => retryDeliveries(session, id, options))
    })
  addDryRun(retry)
  addExamples(retry, [
    'permctl deliveries retry 7b0d1c52-94e3-4d0f-8a6b-1f2e3d4c5b6a',
    'permctl deliveries retry --all-dead',
  ])
}

const readDelivery = reader({
  id: 'string',
  target: 'string',
  event: 'string',
  state: 'string',
  attempts: 'number',
  createdAt: 'string',
  nextAttemptAt: 'string?',
  lastError: 'string?',
})
type Delivery = ReturnType<typeof readDelivery>

const COLUMNS: readonly Column<Delivery>[] = [
  { name: 'event', value: ({ event }) => event },
  { name: 'target', value: ({ target }) => target },
  { name: 'state', value: ({ state }) => state },
  { name: 'attempts', value: ({ attempts }) => attempts },
  { name: 'createdAt', value: ({ createdAt }) => createdAt },
  { name: 'nextAttemptAt', value: ({ nextAttemptAt }) => nextAttemptAt },
  { name: 'lastError', value: ({ lastError }) => lastError, wrap: true },
  { name: 'id', value: ({ id }) => id, whole: true },
]

async function listDeliveries(session: Session, { state, limit }: ListOptions): Promise<ExitCode> {
  const { admin } = await session.connect(['admin'])
  await session.output.rows(admin.items(PATH, readDelivery, { query: { state }, limit }), COLUMNS)
  return EXIT.done
}

async function retryDeliveries(
  session: Session,
  id: string | undefined,
  { allDead, dryRun }: RetryOptions,
): Promise<ExitCode> {
  if ((id === undefined) === (allDead !== true)) {
    throw new Failure('invalid', 'either the id of a delivery or --all-dead is needed')
  }
  const { admin } = await session.connect(['admin'])
  if (id === undefined) return await retryDead(session, admin, dryRun === true)
  if (dryRun === true) {
    const found = await findUnarrived(admin, id)
    await session.output.document(found, { columns: COLUMNS })
    return EXIT.denied
  }
  await session.output.document(await retryOne(admin, id), { columns: COLUMNS })
  return EXIT.done
}

/** The delivery that would be retried; throws what retrying it would. */
async function findUnarrived(admin: ServiceClient, id: string): Promise<Delivery> {
  for await (const delivery of admin.items(PATH, readDelivery)) {
    if (delivery.id !== id) continue
    if (delivery.state !== 'delivered') return delivery
    throw new Failure('conflict', `the delivery ${id} has arrived: it would not be retried`)
  }
  throw new Failure('not-found', `there is no delivery ${id}`)
}

async function retryOne(admin: ServiceClient, id: string): Promise<Delivery> {
  return await admin.post(`${PATH}/${encodeURIComponent(id)}/retry`, readDelivery)
}

async function retryDead(
  session: Session,
  admin: ServiceClient,
  dryRun: boolean,
): Promise<ExitCode> {
  const dead: Delivery[] = []
  const query = { state: 'dead' }
  // All before the first is retried: pages would move under the listing.
  for await (const delivery of admin.items(PATH, readDelivery, { query })) dead.push(delivery)
  if (dryRun) {
    await session.output.rows(dead, COLUMNS)
    return dead.length > 0 ? EXIT.denied : EXIT.done
  }
  const retried: Delivery[] = []
  let missed = 0
  for (const [index, { id }] of dead.entries()) {
    session.progress.show(`deliveries: ${index} of ${dead.length}`)
    session.resumeWith(
      `${retried.length} were retried: running the command again retries the others`,
    )
    try {
      retried.push(await retryOne(admin, id))
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      const isPassed = PASSED_BY.has(error.code)
      if (!isPassed && retried.length === 0) throw error
      missed += 1
      await session.note(`${id}: ${error.message}`)
      if (isPassed) continue
      const left = dead.length - index
      await session.note(`${left} are left as they were: running the command again retries them`)
      break
    }
  }
  await session.output.rows(retried, COLUMNS)
  return missed === 0 ? EXIT.done : EXIT.partial
}

/** What becomes of a delivery that somebody else retried, or that arrived meanwhile. */
const PASSED_BY: ReadonlySet<string> = new Set(['conflict', 'not-found'])
