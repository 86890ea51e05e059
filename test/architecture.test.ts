import { readdirSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { test } from 'tap'

const root = join(import.meta.dirname, '..')

/** Room → what it may import: other rooms, and packages (`node:*` for all of Node's own). */
const RULES: Record<string, { rooms: string[]; packages: string[] }> = {
  domain: { rooms: [], packages: [] },
  observability: { rooms: ['domain'], packages: ['pino', 'prom-client', 'node:*'] },
  genesys: {
    rooms: ['domain', 'observability'],
    packages: ['purecloud-platform-client-v2', 'undici', 'lru-cache', 'node:*'],
  },
  store: { rooms: ['domain', 'observability'], packages: ['kysely', 'pg', 'node:*'] },
  worker: { rooms: ['domain', 'observability'], packages: ['node-cron', 'lru-cache', 'node:*'] },
  webhooks: { rooms: ['domain', 'observability'], packages: ['undici', 'node:*'] },
  http: {
    rooms: ['domain', 'observability'],
    packages: [
      'fastify',
      '@fastify/*',
      'fastify-plugin',
      'csv-parse',
      'typebox',
      'jose',
      'lru-cache',
      'prom-client',
      'node:*',
    ],
  },
  cli: {
    rooms: ['domain', 'observability', 'genesys'],
    packages: [
      'commander',
      '@bomb.sh/tab',
      'cli-table3',
      'csv-parse',
      'csv-stringify',
      'string-width',
      'undici',
      'node:*',
    ],
  },
  'environment.ts': { rooms: [], packages: ['typebox', 'node:*'] },
  'role-rules-file.ts': { rooms: ['domain'], packages: ['typebox', 'node:*'] },
  'config.ts': {
    rooms: ['domain', 'environment.ts', 'role-rules-file.ts'],
    packages: ['node-cron', 'node:*'],
  },
  // What service.ts wires, in pieces that can be read.
  service: {
    rooms: [
      'domain',
      'observability',
      'genesys',
      'store',
      'worker',
      'webhooks',
      'http',
      'config.ts',
    ],
    packages: ['node:*'],
  },
  'service.ts': {
    rooms: ['service', 'domain', 'observability', 'genesys', 'store', 'http', 'config.ts'],
    packages: ['node:*'],
  },
  'main.ts': {
    rooms: ['config.ts', 'service.ts', 'domain', 'observability'],
    packages: ['node:*'],
  },
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s(?:[^'"]*?\sfrom\s+)?['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)|new URL\(\s*['"](\.[^'"]+)['"]/g

function sourceFiles(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name))
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8')
  return [...text.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? match[3] ?? '')
}

function roomOf(file: string): string {
  const [, room = ''] = file.split('/')
  return room
}

function packageAllowed(name: string, allowed: readonly string[]): boolean {
  if (isBuiltin(name)) return name.startsWith('node:') && allowed.includes('node:*')
  return allowed.some((rule) =>
    rule.endsWith('/*')
      ? name.startsWith(rule.slice(0, -1))
      : name === rule || name.startsWith(`${rule}/`),
  )
}

test('rooms see the domain and never each other', (t) => {
  const files = sourceFiles('src')
  t.ok(files.length > 50, 'the sources were found')
  for (const file of files) {
    const room = roomOf(file)
    const rule = RULES[room]
    if (!rule) {
      t.fail(`${file} stands in a room without a rule`)
      continue
    }
    for (const name of importsOf(file)) {
      if (name.startsWith('.')) {
        const target = relative(root, join(root, dirname(file), name))
        const other = roomOf(target)
        const allowed = target.startsWith('src/') && (other === room || rule.rooms.includes(other))
        if (!allowed) t.fail(`${file} imports ${target}`)
      } else if (!packageAllowed(name, rule.packages)) {
        t.fail(`${file} imports ${name}`)
      }
    }
  }
  t.end()
})

test('the simulator shares no code with the service', (t) => {
  const files = sourceFiles('simulator')
  t.ok(files.length > 10, 'the sources were found')
  for (const file of files) {
    // The demo is the one program that runs both side by side.
    if (file === 'simulator/demo.ts') continue
    for (const name of importsOf(file)) {
      if (!name.startsWith('.')) continue
      const target = relative(root, join(root, dirname(file), name))
      if (!target.startsWith('simulator/')) t.fail(`${file} imports ${target}`)
    }
  }
  t.end()
})

test('only config.ts and the entry points read the environment', (t) => {
  const readers = sourceFiles('src').filter((file) =>
    readFileSync(join(root, file), 'utf8').includes('process.env'),
  )
  t.same(readers.toSorted(), ['src/cli/main.ts', 'src/main.ts'])
  t.end()
})

test('no file is above 350 lines and none is a drawer', (t) => {
  for (const file of [...sourceFiles('src'), ...sourceFiles('simulator')]) {
    const lines = readFileSync(join(root, file), 'utf8').split('\n').length - 1
    t.ok(lines <= 350, `${file} has ${lines} lines`)
    t.notMatch(file, /(^|\/)(index|utils?|helpers?|common|manager|types|constants)\.ts$/)
  }
  t.end()
})
