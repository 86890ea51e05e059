import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'tap'
import { withFigures } from '../bench/write-figures.ts'
import {
  ARCHITECTURE_PERMISSIONS,
  DEFAULT_CLIENT,
  GRANT_PERMISSIONS,
  READ_PERMISSIONS,
} from '../simulator/simulated-client.ts'
import { SMALL_WORLD } from '../simulator/small-world.ts'
import { OUTCOMES } from '../src/domain/evaluate.ts'
import { MAX_PATHS } from '../src/domain/explain.ts'
import { REPORT_KINDS } from '../src/domain/report.ts'
import { ON_FAILURE } from '../src/domain/role-change.ts'
import { DEFAULT_ROLE_RULES } from '../src/domain/role-rules.ts'
import { SCOPES } from '../src/domain/principal.ts'
import { MAX_BATCH } from '../src/http/check/batch-request.ts'
import { Environment } from '../src/environment.ts'
import { readRoleRules } from '../src/role-rules-file.ts'
import { startUnderTest } from './end-to-end/support/service-under-test.ts'
import { until } from './end-to-end/support/until.ts'
import { NAMES, VARIABLES } from './operations/support/configuration.ts'
import { readKnownSeries } from './operations/support/known-metrics.ts'
import { readText, ROOT } from './operations/support/repository.ts'
import { openapiFile, PLANE_NAMES } from './support/write-openapi.ts'

const README = readText('README.md')

/** Fenced blocks of a language, in order. */
function blocks(text: string, language: string): string[] {
  const fences = text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)
  return [...fences].flatMap(([, name, body = '']) => (name === language ? [body] : []))
}

/** Cells of the rows of the table whose first heading this is, without the heading. */
function table(heading: string): string[][] {
  const lines = README.split('\n')
  const start = lines.findIndex((line) => line.startsWith(`| ${heading} `))
  const rows = lines.slice(start + 2)
  const end = rows.findIndex((line) => !line.startsWith('|'))
  return rows.slice(0, end).map((row) => {
    const cells = row.slice(1, -1).split('|')
    return cells.map((cell) => cell.trim())
  })
}

const plain = (cell = ''): string => cell.replaceAll('`', '')

test('the configuration table is the configuration', (t) => {
  const rows = table('variable')
  const required: readonly string[] = Environment.required
  t.same(rows.map(([name]) => plain(name)).toSorted(), [...NAMES].toSorted())
  for (const [cell, shown, meaning = ''] of rows) {
    const name = plain(cell)
    const variable = VARIABLES.get(name)
    const standard = variable?.default
    const expected = standard === undefined ? '' : String(standard)
    t.equal(plain(shown), expected || (required.includes(name) ? 'required' : ''), name)
    const description = variable ? String(variable.description) : 'The same, as the path of a file'
    t.ok(meaning.startsWith(description), `${name}: ${meaning}`)
  }
  t.end()
})

test('the permissions that the client needs are those that the start asks for', async (t) => {
  const client = { ...DEFAULT_CLIENT, permissions: [] }
  await using context = await startUnderTest({ simulator: { clients: [client] }, ready: false })
  const { body } = await context.caller.admin('/admin/v1/matrix')
  const missing = body.platform.missingPermissions as {
    permission: string
    neededFor: string
    essential: boolean
  }[]
  const rows = table('permission').map((cells) => cells.map(plain))
  t.same(
    rows,
    missing.map(({ permission, neededFor }) => [permission, neededFor]),
  )
  t.same(
    rows.map(([name = '']) => name).toSorted(),
    [...READ_PERMISSIONS, ...GRANT_PERMISSIONS, ...ARCHITECTURE_PERMISSIONS].toSorted(),
  )
  t.same(
    missing.map(({ essential }) => essential),
    [true, true, ...rows.slice(2).map(() => false)],
    'the first two are essential',
  )
})

test('reasons, scopes and bounds are those of the code', (t) => {
  const [, ...reasons] = OUTCOMES
  t.match(README, reasons.map((reason) => `\`${reason}\``).join(', '))
  for (const scope of SCOPES) t.match(README, `\`${scope}\``)
  t.match(README, `at most ${MAX_BATCH.toLocaleString('en')} questions`)
  t.match(README, `an explanation at most ${MAX_PATHS} paths`)
  t.end()
})

test('every npm script that is named exists', (t) => {
  const { scripts, devDependencies } = JSON.parse(readText('package.json')) as Record<
    'scripts' | 'devDependencies',
    Record<string, string>
  >
  const texts = [README, ...documents().map(readText)]
  const named = texts.flatMap((text) => [
    ...[...text.matchAll(/npm run ([\w:-]+)/g)].map(([, name = '']) => name),
    ...[...text.matchAll(/npm (start|test)\b/g)].map(([, name = '']) => name),
  ])
  t.ok(named.length > 8)
  for (const name of new Set(named)) t.ok(scripts[name], `npm run ${name}`)
  t.match(devDependencies['node'], /^24\./, 'Node comes with what npm ci installs')
  t.match(scripts['start'], /^node --no-parallel-scavenge /)
  t.match(readText('Dockerfile'), /^CMD \["node", "--no-parallel-scavenge", "src\/main\.ts"\]$/m)
  for (const [, file = ''] of README.matchAll(/node (?:--[\w=.-]+ )*([\w/.-]+\.ts)/g)) {
    t.ok(existsSync(join(ROOT, file)), file)
  }
  t.end()
})

/** Routes that a text names: `GET /path`. */
function namedRoutes(text: string): string[] {
  const found = text.matchAll(/`(GET|POST) (\/[^`]*)`/g)
  return [...found].map(([, method, path]) => `${method} ${path}`)
}

test('the routes that are named are the routes that are described', (t) => {
  const described = new Set(
    PLANE_NAMES.flatMap((plane) => {
      const { paths } = JSON.parse(readFileSync(openapiFile(plane), 'utf8')) as {
        paths: Record<string, object>
      }
      return Object.entries(paths).flatMap(([path, operations]) =>
        Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
      )
    }),
  )
  for (const text of [README, ...documents().map(readText)]) {
    for (const route of namedRoutes(text)) t.ok(described.has(route), route)
  }
  const tables = [...table('check plane'), ...table('admin plane')].flat().join(' ')
  t.same([...new Set(namedRoutes(tables))].toSorted(), [...described].toSorted())
  t.end()
})

test('every metric that is named exists', async (t) => {
  const known = await readKnownSeries()
  const families = new Set([...known.keys()].map((name) => name.replace(/_bucket$/, '')))
  const named = README.match(/permission_check_\w+/g) ?? []
  t.ok(named.length > 5)
  for (const name of named) t.ok(known.has(name) || families.has(name), name)
})

/** Every page of documentation but the README, by path. */
function documents(): string[] {
  const folders = ['docs', 'docs/decisions']
  return folders.flatMap((folder) => {
    const names = readdirSync(join(ROOT, folder))
    return names.filter((name) => name.endsWith('.md')).map((name) => `${folder}/${name}`)
  })
}

/** Anchors of a page's headings, as forges make them. */
function anchors(text: string): Set<string> {
  const headings = text.replaceAll(/^```[\s\S]*?^```$/gm, '').matchAll(/^#+ (.+)$/gm)
  return new Set(
    [...headings].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    ),
  )
}

test('every link leads somewhere', (t) => {
  let links = 0
  for (const page of ['README.md', ...documents()]) {
    for (const [, target = ''] of readText(page).matchAll(/\]\(([^)]+)\)/g)) {
      if (/^https?:/.test(target)) continue
      links += 1
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? page : join(dirname(page), path)
      if (!t.ok(existsSync(join(ROOT, file)), `${page}: ${target}`)) continue
      if (anchor !== undefined) t.ok(anchors(readText(file)).has(anchor), `${page}: ${target}`)
    }
  }
  t.ok(links > 8)
  t.end()
})

test('every file and folder that is named exists', (t) => {
  const [layout = ''] = blocks(README, 'text')
  const listed = layout.split('\n').map((line) => line.split(' ', 1)[0] ?? '')
  const inText = [...README.matchAll(/`((?:[\w.-]+\/)+[\w.-]*)`/g)].map(([, path = '']) => path)
  const paths = [...listed, ...inText].filter((path) => path !== '' && !path.startsWith('./'))
  t.ok(listed.length > 10)
  const rooms = readdirSync(join(ROOT, 'src'), { withFileTypes: true })
  for (const room of rooms) {
    const path = `src/${room.name}${room.isDirectory() ? '/' : ''}`
    t.ok(listed.includes(path), `${path} is in the layout`)
  }
  // Media types are written the same way.
  for (const path of paths.filter((path) => !path.startsWith('application/'))) {
    t.ok(existsSync(join(ROOT, path)), path)
  }
  t.end()
})

test('the figures are those of the latest bench', (t) => {
  const latest = 'bench/results/latest.json'
  if (existsSync(join(ROOT, latest))) {
    const fresh = withFigures(README, JSON.parse(readText(latest)))
    t.ok(README === fresh, 'they are up to date, else run: node bench/write-figures.ts')
  }
  t.end()
})

type Variables = Readonly<Record<string, string>>

/** The words of a shell command: quotes and `$NAME` are all that the README uses. */
function words(command: string, variables: Variables): string[] {
  const expand = (text: string): string =>
    text.replaceAll(/\$(\w+)/g, (_, name: string) => {
      const value = variables[name]
      if (value === undefined) throw new Error(`the README never sets ${name}`)
      return value
    })
  const found = command.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"]+)+/g)
  return [...found].map(([word]) => {
    const parts = word.match(/'[^']*'|"[^"]*"|[^'"]+/g) ?? []
    return parts
      .map((part) => {
        if (part.startsWith("'")) return part.slice(1, -1)
        return expand(part.startsWith('"') ? part.slice(1, -1) : part)
      })
      .join('')
  })
}

/** `NAME=value` lines of a block. */
function assignments(block: string): Record<string, string> {
  const lines = block.matchAll(/^(?:export )?([A-Z_]+)=(.*)$/gm)
  return Object.fromEntries(
    [...lines].map(([, name = '', value = '']) => [name, words(value, {})[0] ?? '']),
  )
}

/** What a curl command of the README sends. */
function requestOf(command: string, variables: Variables): Request {
  const [, ...args] = words(command, variables)
  const headers = new Headers()
  let url = ''
  let method: string | undefined
  let body: string | null = null
  for (let word = args.shift(); word !== undefined; word = args.shift()) {
    if (word === '-s') continue
    if (word === '-X') method = args.shift()
    else if (word === '-H') {
      const [name = '', value = ''] = (args.shift() ?? '').split(': ')
      headers.set(name, value)
    } else if (word === '-d' || word === '--data-binary') body = args.shift() ?? ''
    else url = word
  }
  return new Request(url, { headers, body, method: method ?? (body === null ? 'GET' : 'POST') })
}

type Example = { readonly command: string; readonly shown: unknown }

/** Each curl command with the answer that is shown below it; `NAME=…` takes that answer's id. */
function examples(): (Example | { readonly name: string })[] {
  const pairs = README.matchAll(
    /^```sh\n(?:(curl [\s\S]*?)^```\n+```json\n([\s\S]*?)|([A-Z]+)=….*\n)```$/gm,
  )
  return [...pairs].map(([, command = '', shown = '', name]) => {
    return name === undefined ? { command, shown: JSON.parse(shown) } : { name }
  })
}

/** Beyond a shown value stands for any, as a member for others and at a list's end for more. */
const ANYTHING = '…'

/** Where an answer is not what is shown, as paths. */
function deviations(actual: unknown, shown: unknown, path = ''): string[] {
  if (shown === ANYTHING) return actual === undefined ? [`${path} is missing`] : []
  if (typeof shown !== 'object' || typeof actual !== 'object' || !shown || !actual) {
    return actual === shown ? [] : [`${path} is ${JSON.stringify(actual)}`]
  }
  if (Array.isArray(shown) !== Array.isArray(actual)) return [`${path} is of another form`]
  const members = new Map(Object.entries(actual))
  const listed = new Map(Object.entries(shown))
  const open = listed.delete(ANYTHING)
  const unknown = open ? [] : [...members.keys()].filter((name) => !listed.has(name))
  return [
    ...unknown.map((name) => `${path}/${name} is not shown`),
    ...[...listed].flatMap(([name, value]) => {
      return deviations(members.get(name), value, `${path}/${name}`)
    }),
  ]
}

const MOVING = new Set(['pending', 'applying', 'rolling-back'])

/**
 * A batch that is followed is asked for until it has come to rest. Who asks too often asks again.
 */
async function answerTo(request: Request): Promise<Response> {
  const isBatch = request.method === 'GET' && /role-changes\/[^/]+$/.test(request.url)
  return until('there is an answer at rest', async () => {
    const response = await fetch(request.clone())
    if (response.status === 429 || !isBatch) return response.status !== 429 && response
    const { state } = (await response.clone().json()) as { state: string }
    return !MOVING.has(state) && response
  })
}

test('every example is answered as shown', async (t) => {
  const shell = blocks(README, 'sh')
  const environment = assignments(shell.find((block) => block.includes('export ')) ?? '')
  const variables = assignments(shell.find((block) => block.startsWith('CHECK=')) ?? '')
  const unknown = Object.keys(environment).filter((name) => !NAMES.has(name))
  t.same(unknown, [], 'the service reads what is exported')
  t.match(DEFAULT_CLIENT, {
    id: environment['GENESYS_CLIENT_ID'],
    secret: environment['GENESYS_CLIENT_SECRET'],
  })
  const { CHECK_API_KEYS = '', ADMIN_API_KEYS = '' } = environment
  await using context = await startUnderTest({
    env: { CHECK_API_KEYS, ADMIN_API_KEYS },
    overrides: { maxEventLoopDelayMs: Infinity },
  })
  const { checkUrl, adminUrl } = context.service
  const here: Record<string, string> = { ...variables, CHECK: checkUrl, ADMIN: adminUrl }
  const found = examples()
  const curls = shell.filter((block) => block.startsWith('curl '))
  t.equal(found.filter((example) => 'command' in example).length, curls.length)
  t.ok(found.length > 15)
  let last: { readonly id?: string } = {}
  for (const example of found) {
    if ('name' in example) {
      here[example.name] = last.id ?? ''
      continue
    }
    const { command, shown } = example
    const request = requestOf(command, here)
    const response = await answerTo(request)
    t.ok(response.status === 200 || response.status === 202, `${command}: ${response.status}`)
    last = (await response.json()) as typeof last
    t.same(deviations(last, shown), [], command)
  }
})

test('what is shown and is not so is found out', (t) => {
  const answer = { id: '7', list: [{ a: 1, b: null }], more: true }
  t.same(deviations(answer, { id: '…', list: [{ a: 1, '…': '…' }], more: true }), [])
  t.same(deviations(answer, { id: '8', '…': '…' }), ['/id is "7"'])
  t.same(deviations(answer, { id: '7', list: [{ a: 1 }], more: true }), ['/list/0/b is not shown'])
  t.same(deviations(answer, { id: '7', list: [], more: true }), ['/list/0 is not shown'])
  t.same(deviations(answer, { ...answer, other: '…' }), ['/other is missing'])
  t.end()
})

test('the rules that are shown are rules', async (t) => {
  const shown = blocks(README, 'json').filter((block) => /^\{\s*"rules"/.test(block))
  t.equal(shown.length, 1)
  const path = join(t.testdir({ 'rules.json': shown[0] ?? '' }), 'rules.json')
  const { rules, faults } = readRoleRules(path)
  t.same(faults, [])
  t.same([...new Set(rules.map(({ kind }) => kind))].toSorted(), [
    'excludes',
    'requires',
    'segregates',
  ])
  t.same(
    DEFAULT_ROLE_RULES.map(({ name }) => name),
    ['supervisor-excludes-agent', 'admin-excludes-external-user'],
    'the two that are told of',
  )
  await using context = await startUnderTest({ env: { ROLE_RULES_FILE: path } })
  const updates = [{ userId: SMALL_WORLD.users.bob, newRoleIds: ['Quality Evaluator'] }]
  const { body } = await context.caller.admin('/admin/v1/role-changes/simulations', {
    body: { updates },
  })
  t.match(body.conflicts, [{ rule: 'evaluators are agents', status: 'new' }])
})

/** What the README says of role changes, and the line of the code that makes it so. */
const BOUNDS: readonly (readonly [string, string, string])[] = [
  ['at most 1,000 users', 'src/domain/role-change.ts', 'MAX_BATCH_USERS = 1_000'],
  ['20,000 grants', 'src/http/admin/change-schemas.ts', 'MAX_CHANGE_LINES = 20_000'],
  ['and 5 MiB', 'src/http/admin/change-schemas.ts', 'CHANGE_BODY_BYTES = 5 * 1024 * 1024'],
  ['four batches at a time', 'src/worker/role-change-runner.ts', 'MAX_IN_HAND = 4'],
  ['ends after 60 seconds', 'src/worker/role-change-runner.ts', 'boundMs: 60_000'],
  ['For five minutes what was', 'src/worker/written-grants.ts', 'CATCHING_UP_MS = 5 * 60_000'],
  ['within five years', 'src/domain/instant.ts', 'MAX_YEARS = 5'],
  ['within a minute of that time', 'src/worker/sunset-schedule.ts', 'TICK_MS = 20_000'],
  ['remembered for seven days', 'src/store/retention.ts', 'KEPT_MS = 7 * DAY_MS'],
  ['at most once an hour', 'src/worker/matrix-archive.ts', 'MIN_INTERVAL_MS = 60 * 60_000'],
  ['beyond 48 hours', 'src/worker/archive-retention.ts', 'RECENT_MS = 48 * 60 * 60_000'],
  ['5 GiB in all', 'src/worker/matrix-archive.ts', 'MAX_BYTES = 5 * 1024 * 1024 * 1024'],
  ['every night', 'src/worker/audit-retention.ts', "CRON = '23 3 * * *'"],
  ['holds 64 MiB of answers', 'src/http/unread-answers.ts', 'maxBytes: 64 * MIB'],
  ['16 MiB of one caller', 'src/http/unread-answers.ts', 'maxCallerBytes: 16 * MIB'],
  ['8 MiB on one connection', 'src/http/unread-answers.ts', 'maxSocketBytes: 8 * MIB'],
  ['answers above 4 KiB', 'src/http/unread-answers.ts', 'COUNTED_BYTES = 4 * 1024'],
  ['longer than 60 seconds to read', 'src/http/unread-answers.ts', 'deadlineMs: 60_000'],
  ['At most 64 of a listener wait', 'src/http/long-work.ts', 'MAX_WAITING = 64'],
  ['64 MiB of bodies in all', 'src/http/held-bodies.ts', 'MAX_BYTES = 64 * 1024 * 1024'],
]

test('bounds are those of the code', (t) => {
  for (const [told, file, line] of BOUNDS) {
    t.ok(README.includes(told), told)
    t.ok(readText(file).includes(line), `${file}: ${line}`)
  }
  for (const word of [...ON_FAILURE, ...REPORT_KINDS]) t.match(README, `\`${word}\``)
  t.end()
})

test('the addresses of the examples are the defaults, their ids the small world', (t) => {
  const setup = blocks(README, 'sh').find((block) => block.startsWith('CHECK=')) ?? ''
  const { users, divisions, queues } = SMALL_WORLD
  t.match(assignments(setup), {
    CHECK: `http://${VARIABLES.get('HOST')?.default}:${VARIABLES.get('PORT')?.default}`,
    ADMIN: `http://${VARIABLES.get('ADMIN_HOST')?.default}:${VARIABLES.get('ADMIN_PORT')?.default}`,
    ALICE: users.alice,
    CAROL: users.carol,
    ERIN: users.erin,
    OLIVIA: users.olivia,
    SUPPORT: divisions.support,
    SUPPORT_QUEUE: queues.support,
  })
  t.end()
})
