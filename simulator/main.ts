import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { generateWorld } from './generate-world.ts'
import { startSimulator } from './server.ts'
import { smallWorld } from './small-world.ts'

/** Each option may come as a variable too: `--users` as `SIMULATOR_USERS`, and so on. */
const OPTIONS = {
  host: { type: 'string', default: '127.0.0.1' },
  port: { type: 'string', default: '9090' },
  world: { type: 'string', default: 'generated' },
  users: { type: 'string', default: '2000' },
  seed: { type: 'string', default: '1' },
  'requests-per-minute': { type: 'string', default: '300' },
  'consistency-delay-ms': { type: 'string', default: '0' },
} as const

type OptionName = keyof typeof OPTIONS

/** The command line wins over the environment, the environment over the default. */
function readOptions(args: readonly string[], env: NodeJS.ProcessEnv): Record<OptionName, string> {
  const names = Object.keys(OPTIONS) as OptionName[]
  const defaults = names.map((name) => {
    const variable = `SIMULATOR_${name.toUpperCase().replaceAll('-', '_')}`
    return [name, env[variable] ?? OPTIONS[name].default]
  })
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]))
  const { values } = parseArgs({ args: [...args], options })
  return { ...Object.fromEntries(defaults), ...values }
}

function wholeNumber(name: OptionName, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`--${name} has to be a whole number, not "${text}"`)
  return Number(text)
}

const given = readOptions(process.argv.slice(2), process.env)
const option = (name: OptionName): number => wholeNumber(name, given[name])

const simulator = await startSimulator({
  world:
    given.world === 'small'
      ? smallWorld()
      : generateWorld({ seed: option('seed'), users: option('users') }),
  host: given.host,
  port: option('port'),
  requestsPerMinute: option('requests-per-minute'),
  consistencyDelayMs: option('consistency-delay-ms'),
})
console.log(`Genesys Cloud simulator: ${simulator.url}`)

await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
await simulator.close()
