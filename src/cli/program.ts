import { Command } from 'commander'
import { serviceVersion } from '../observability/version.ts'
import { addAnalytics } from './commands/analytics.ts'
import { addAuth } from './commands/auth.ts'
import { addAllowlists } from './commands/allowlists.ts'
import { addAudit } from './commands/audit.ts'
import { addChanges } from './commands/changes.ts'
import { addCheck } from './commands/check.ts'
import { addCompletion } from './commands/completion.ts'
import { addDeliveries } from './commands/deliveries.ts'
import { addEnvironments } from './commands/environments.ts'
import { addExplain } from './commands/explain.ts'
import { addHealth } from './commands/health.ts'
import { addPermissions } from './commands/permissions.ts'
import { addQueues } from './commands/queues.ts'
import { addUsers } from './commands/users.ts'
import { addRebuild } from './commands/rebuild.ts'
import { addWhoCan } from './commands/who-can.ts'
import { addExamples, addGlobalOptions } from './global-options.ts'
import type { Run } from './session.ts'

const EXIT_CODES = `
Exit codes:
  0  done; for a check: allowed
  1  denied, or there are differences, faults, or a rebuild that a guard refused
  2  usage: the command line, its input or its settings
  3  upstream: the service or the platform
  4  partial: a part was done
  130  interrupted`

/**
 * The command line, not yet parsed. A command is one file in `commands/`, which exports one function
 * that adds it here.
 */
export function buildProgram(run: Run, write: (text: string) => void): Command {
  const program = new Command('permctl')
    .description('What users of a Genesys Cloud organisation may do: ask, change, prove.')
    .version(serviceVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print the help of a command')
    .configureHelp({ showGlobalOptions: true })
    // Errors are reported in one place, with those of the work itself.
    .configureOutput({ writeOut: write, outputError: () => undefined })
    .exitOverride()
    .showSuggestionAfterError()
  addGlobalOptions(program)
  addCheck(program, run)
  addExplain(program, run)
  addWhoCan(program, run)
  addPermissions(program, run)
  addRebuild(program, run)
  addChanges(program, run)
  addAudit(program, run)
  addAllowlists(program, run)
  addEnvironments(program, run)
  addDeliveries(program, run)
  addHealth(program, run)
  addUsers(program, run)
  addQueues(program, run)
  addAnalytics(program, run)
  addAuth(program, run)
  addCompletion(program, write)
  addExamples(program, ['permctl check alice@example.com routing:queue:view', 'permctl health'])
  return program.addHelpText('after', EXIT_CODES)
}
