import type { Command } from 'commander'
import { Failure } from '../../domain/failure.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import { addExamples } from '../global-options.ts'
import { reader } from '../service-answer.ts'
import type { ServiceClient } from '../service-client.ts'
import { ServiceProblem } from '../service-problem.ts'
import type { Run, Session } from '../session.ts'

/** `permctl health`: exit code 3 unless checks would be answered. */
export function addHealth(program: Command, run: Run): void {
  const command = program
    .command('health')
    .description('whether the service lives, would answer checks, and from which revision')
    .action(() => run(health))
  addExamples(command, ['permctl health', 'permctl health --output json | jq .ageSeconds'])
}

type Health = {
  readonly url: string
  readonly live: true
  readonly ready: boolean
  readonly revision?: number
  readonly ageSeconds?: number
  readonly takenAt?: string
  /** Why it is not ready. */
  readonly problem?: string
}

const readLive = reader({ status: 'string' })
const readReady = reader({
  status: 'string',
  revision: 'number',
  ageSeconds: 'number',
  takenAt: 'string',
})

async function health(session: Session): Promise<ExitCode> {
  const { probe } = await session.connect(['probe'])
  await probe.get('/health/live', readLive, { retry: false })
  const found = { url: probe.origin, live: true as const, ...(await readiness(probe)) }
  await session.output.document<Health>(found, {
    columns: [
      { name: 'url', value: ({ url }) => url },
      { name: 'live', value: ({ live }) => live },
      { name: 'ready', value: ({ ready }) => ready },
      { name: 'revision', value: ({ revision }) => revision },
      { name: 'ageSeconds', value: ({ ageSeconds }) => ageSeconds },
      { name: 'takenAt', value: ({ takenAt }) => takenAt },
      { name: 'problem', value: ({ problem }) => problem },
    ],
  })
  return found.ready ? EXIT.done : EXIT.upstream
}

async function readiness(probe: ServiceClient): Promise<Omit<Health, 'url' | 'live'>> {
  try {
    const answer = await probe.get('/health/ready', readReady, { retry: false })
    const { revision, ageSeconds, takenAt } = answer
    return { ready: true, revision, ageSeconds, takenAt }
  } catch (error) {
    const known = error instanceof ServiceProblem && error instanceof Failure
    if (!known || (error.code !== 'not-ready' && error.code !== 'overloaded')) throw error
    return { ready: false, problem: error.message }
  }
}
