import type { Command } from 'commander'
import { addDryRun, addExamples, addLimit } from '../global-options.ts'
import type { Run } from '../session.ts'

/** `permctl queues list|plan|apply`: the queues of the platform. */
export function addQueues(program: Command, run: Run): void {
  const queues = program.command('queues').description('the queues of the organisation')
  addList(queues, run)
  addPlan(queues, run)
  addApply(queues, run)
  addExamples(queues, ['permctl queues --help'])
}

const FILE = 'manifest in JSON; - for standard input'

const MANIFEST = `
A manifest names queues and what they are to have; what it does not name is left alone:
  {"queues": [{
    "name": "Returns", "division": "Sales", "description": "Parcels that come back",
    "members": ["alice@example.com"],
    "acwSettings": {"wrapupPrompt": "OPTIONAL", "timeoutMs": 60000},
    "mediaSettings": {"call": {"alertingTimeoutSeconds": 12,
      "serviceLevel": {"percentage": 0.8, "durationMs": 20000}}},
    "skillEvaluationMethod": "BEST", "routingRules": [], "enableTranscription": true
  }]}
Queues are found by name; members by email or id, and the queue has no others.`

function addList(queues: Command, run: Run): void {
  const command = queues
    .command('list')
    .description('list queues with their divisions and numbers of members')
    .action((options: { readonly limit?: number }) => {
      return run(async (session) => {
        const { printQueues } = await import('../platform/list-queues.ts')
        return printQueues(session, options)
      })
    })
  addLimit(command)
  addExamples(command, ['permctl queues list', 'permctl queues list --output csv'])
}

function addPlan(queues: Command, run: Run): void {
  const command = queues
    .command('plan')
    .description('tell how queues differ from a manifest; exit code 1 when they do, else 0')
    .argument('<file>', FILE)
    .addHelpText('after', MANIFEST)
    .action((file: string) => {
      return run(async (session) => {
        const { planManifest } = await import('../platform/apply-manifest.ts')
        return planManifest(session, file)
      })
    })
  addExamples(command, [
    'permctl queues plan queues.json',
    'permctl queues plan queues.json > plan.json || echo "queues have drifted"',
  ])
}

function addApply(queues: Command, run: Run): void {
  const command = queues
    .command('apply')
    .description('create and change queues until they are as a manifest wants them')
    .argument('<file>', FILE)
    .addHelpText('after', MANIFEST)
    .action((file: string, options: { readonly dryRun?: boolean }) => {
      return run(async (session) => {
        const { applyManifest } = await import('../platform/apply-manifest.ts')
        return applyManifest(session, file, options)
      })
    })
  addDryRun(command)
  addExamples(command, [
    'permctl queues apply queues.json --dry-run',
    'permctl queues apply queues.json --yes',
  ])
}
