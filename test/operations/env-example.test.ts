import { test } from 'tap'
import { readConfig } from '../../src/config.ts'
import { Environment } from '../../src/environment.ts'
import { PERMCTL_VARIABLES } from '../../src/cli/variables.ts'
import { NAMES as SERVICE_NAMES, VARIABLES as SERVICE_VARIABLES } from './support/configuration.ts'
import { readText } from './support/repository.ts'

type Entry = { readonly name: string; readonly value: string; readonly active: boolean }

const lines = readText('.env.example').split('\n')

function entryOf(line: string): Entry | undefined {
  const [, mark, name = '', value = ''] = /^(#?)([A-Z][A-Z0-9_]*)=(.*)$/.exec(line) ?? []
  return name === '' ? undefined : { name, value, active: mark === '' }
}

type Variable = {
  readonly default?: string | number
  readonly description?: string
  readonly secret?: true
}

/** Those of the service, and those that only permctl reads. */
const VARIABLES = new Map<string, Variable>([
  ...SERVICE_VARIABLES,
  ...Object.entries<Variable>(PERMCTL_VARIABLES),
])
const NAMES = new Set([
  ...SERVICE_NAMES,
  ...Object.entries<Variable>(PERMCTL_VARIABLES).flatMap(([name, { secret }]) => {
    return secret ? [name, `${name}_FILE`] : [name]
  }),
])

const entries = lines.flatMap((line) => entryOf(line) ?? [])
const required: readonly string[] = Environment.required

test('.env.example names every variable that is read, and no other', (t) => {
  t.same(entries.map(({ name }) => name).toSorted(), [...NAMES].toSorted())
  t.end()
})

test('.env.example shows the defaults, and sets only what is required', (t) => {
  for (const { name, value, active } of entries) {
    const standard = VARIABLES.get(name)?.default
    t.equal(value, standard === undefined ? '' : String(standard), name)
    t.equal(active, required.includes(name) && standard === undefined, `${name}: commented or not`)
  }
  t.end()
})

test('.env.example describes each variable as the configuration does', (t) => {
  for (const [index, line] of lines.entries()) {
    const name = entryOf(line)?.name
    const variable = name === undefined ? undefined : VARIABLES.get(name)
    if (name !== undefined && variable) t.equal(lines[index - 1], `# ${variable.description}`, name)
  }
  t.end()
})

test('with its required variables filled in and its defaults taken literally, it is a configuration', (t) => {
  const shown = Object.fromEntries(entries.map(({ name, value }) => [name, value]))
  const filled = {
    ...shown,
    GENESYS_CLIENT_ID: 'id',
    GENESYS_CLIENT_SECRET: 'secret',
    AUTH: 'none',
  }
  const minimal = { GENESYS_CLIENT_ID: 'id', GENESYS_CLIENT_SECRET: 'secret', AUTH: 'none' }
  t.equal(JSON.stringify(readConfig(filled)), JSON.stringify(readConfig(minimal)))
  t.end()
})
