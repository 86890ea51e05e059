import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'tap'
import { PERMCTL, permctlInTerminal } from './support/permctl.ts'
import { startPlatform } from './support/platform.ts'
import type { Env } from './support/permctl.ts'

/** A line of a shell in which `permctl` stands for the program. */
async function inShell(line: string, env: Env, stdin = '') {
  const words = `permctl() { env -u NODE_OPTIONS '${process.execPath}' '${PERMCTL}' "$@"; }; ${line}`
  const child = spawn('bash', ['-c', words], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  child.stdin.end(stdin)
  const [stderr, [code]] = await Promise.all([
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ])
  return { code, stderr }
}

const FULL = { skip: existsSync('/dev/full') ? false : 'this system has no /dev/full' }

test('a full disk is 3 and never passes for the whole', FULL, async (t) => {
  await using platform = await startPlatform()
  const { env } = platform
  const lines = [
    'permctl users export -o csv > /dev/full',
    'permctl users list -o ndjson > /dev/full',
    'permctl queues list -o table > /dev/full',
    'permctl users --help > /dev/full',
  ]
  const ended = await Promise.all(lines.map((line) => inShell(line, env)))
  for (const { code, stderr } of ended) {
    t.equal(code, 3, stderr)
    t.match(stderr, /the output cannot be written \(ENOSPC\)/)
  }
  const stdin = 'email,title\nalice.adler@small.example,Lead\n'
  const changed = await inShell('permctl users provision - > /dev/full', env, stdin)
  t.equal(changed.code, 3, changed.stderr)
  t.match(changed.stderr, /ENOSPC.*what is done stays done: run the same command/)
  const unheard = await inShell('permctl users list --limit x 2> /dev/full', env)
  t.equal(unheard.code, 2, 'an error that cannot be told')
})

test('a write that is cut short is 3: no half row passes for the end', async (t) => {
  await using platform = await startPlatform()
  const { env, simulator } = platform
  for (let at = 0; at < 20; at++) {
    simulator.addUser({ name: `User ${at}`, email: `user${at}@small.example` })
  }
  const file = join(t.testdir({}), 'users.csv')
  const { code, stderr } = await inShell(`ulimit -f 1; permctl users export -o csv > ${file}`, env)
  t.equal(readFileSync(file).length, 1_024)
  t.equal(code, 3, stderr)
  t.match(stderr, /the output cannot be written \(EFBIG\)/)
})

test('no terminal cuts what an id, an email, a time or an error says', async (t) => {
  await using platform = await startPlatform()
  const { env, simulator } = platform
  const email = 'a.rather.long.name.of.somebody@small.example'
  const { id } = simulator.addUser({ name: 'Somebody', email })
  const message = 'The department is not on the list of departments of this organisation.'
  const match = { method: 'PATCH', path: '/api/v2/users/{userId}' }
  simulator.faults.add({ match, kind: 'status', status: 400, message })
  const folder = t.testdir({ 'rows.csv': `email,department\n${email},Moon\n` })
  const shownOn = async (columns: number, ...words: readonly string[]): Promise<string> => {
    using terminal = permctlInTerminal(words, { env, folder, columns })
    await terminal.exited
    return terminal.shown()
  }
  for (const columns of [60, 200]) {
    const [users, queues, failed] = await Promise.all([
      shownOn(columns, 'users', 'list'),
      shownOn(columns, 'queues', 'list'),
      shownOn(columns, 'users', 'provision', 'rows.csv'),
    ])
    for (const text of [email, id]) t.ok(users.includes(text), users)
    t.equal(queues.match(/[\da-f]{8}-[\da-f-]{27}/g)?.length, 3, queues)
    for (const text of [email, id, ...message.split(' ')]) t.ok(failed.includes(text), failed)
    t.equal(failed.match(/[\da-f]{8}-[\da-f-]{27}/g)?.length, 2, 'the correlation id too')
    t.notMatch(failed, /…/)
  }
  const day = ['--from', '2026-03-02', '--to', '2026-03-03', '--queue', 'Sales']
  const figures = await shownOn(140, 'analytics', 'queues', ...day)
  t.match(figures, /2026-03-02T00:00:00\.000Z/)
  t.match(figures, /oServiceLevel/)
})
