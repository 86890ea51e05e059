import { Option } from 'commander'
import type { Command } from 'commander'
import { INTERVALS_MS } from '../../domain/interval-windows.ts'
import { addExamples } from '../global-options.ts'
import type { AggregateOptions } from '../platform/print-aggregates.ts'
import type { Run } from '../session.ts'

const METRICS = ['nOffered', 'tAnswered', 'tAbandon', 'tHandle', 'oServiceLevel']

/** `permctl analytics queues`: what went through the queues. */
export function addAnalytics(program: Command, run: Run): void {
  const analytics = program.command('analytics').description('figures of the organisation')
  const interval = new Option('--interval <length>', 'figures for each interval of this length')
    .choices(Object.keys(INTERVALS_MS))
    .default('P1D')
  const queues = analytics
    .command('queues')
    .description(
      'conversation aggregates of queues by interval, medium and metric, in UTC, durations in ms; no row where nothing happened',
    )
    .requiredOption('--from <time>', 'begin: 2026-01-31 or 2026-01-31T08:00:00Z')
    .requiredOption('--to <time>', 'end, not included')
    .addOption(interval)
    .option('--queue <queue...>', 'only these queues: names or ids')
    .option('--metric <metric...>', 'metrics of the platform', METRICS)
    .action((options: AggregateOptions) => {
      return run(async (session) => {
        const { printAggregates } = await import('../platform/print-aggregates.ts')
        return printAggregates(session, options)
      })
    })
  addExamples(queues, [
    'permctl analytics queues --from 2026-01-01 --to 2026-04-01 --output ndjson > quarter.ndjson',
    'permctl analytics queues --from 2026-01-05 --to 2026-01-06 --interval PT30M --queue Sales Support',
    'permctl analytics queues --from 2026-01-01 --to 2026-02-01 --metric nOffered --output csv',
  ])
  addExamples(analytics, ['permctl analytics --help'])
}
