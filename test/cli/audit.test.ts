import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { SMALL_WORLD } from '../../simulator/small-world.ts'
import { temporaryFolder } from '../end-to-end/support/environment.ts'
import { executeOnSqlite } from '../store/support/test-database.ts'
import { permctl, permctlInTerminal } from './support/permctl.ts'
import { startServedWorld } from './support/service.ts'

const { users } = SMALL_WORLD
const VIEW = 'routing:queue:view'

const served = await startServedWorld()
const env = served.permctlEnv

type Entry = { readonly sequence: number; readonly action: string; readonly actor: string }

test('permctl audit', async (t) => {
  t.teardown(() => served[Symbol.asyncDispose]())
  await using folder = await temporaryFolder()
  const here = { env, folder: folder.path }
  const csv = 'userId,operation,roleId,divisionId\nheidi.hahn@small.example,grant,Agent,Sales\n'
  const applied = await permctl(['changes', 'apply', '-'], { env, stdin: csv })
  t.equal(applied.code, 0, applied.stderr)
  const { id: batchId } = JSON.parse(applied.stdout) as { readonly id: string }

  await t.test('list: filters narrow, users by email, pages to the end', async (t) => {
    const all = await permctl(['audit', 'list', '--oldest-first'], { env })
    t.equal(all.code, 0, all.stderr)
    const entries = JSON.parse(all.stdout) as Entry[]
    t.same(
      entries.map(({ sequence }) => sequence),
      entries.map((_, index) => index + 1),
    )
    t.match(entries[0], { action: 'service_started', previousHash: /^0{64}$/ })
    const words = ['audit', 'list', '--user', 'HEIDI.hahn@small.example', '-o', 'ndjson']
    const lines = (await permctl(words, { env })).stdout.trimEnd().split('\n')
    t.ok(lines.length >= 2)
    for (const line of lines) t.match(JSON.parse(line), { userId: users.heidi, subjectId: batchId })
    const newest = await permctl(['audit', 'list', '--limit', '1'], { env })
    t.same(JSON.parse(newest.stdout), entries.slice(-1))
    const future = ['audit', 'list', '--since', '2990-01-01', '--actor', 'root']
    t.same(JSON.parse((await permctl(future, { env })).stdout), [])
    const wrong = await permctl(['audit', 'list', '--until', 'yesterday'], { env })
    t.equal(wrong.code, 2)
    t.match(wrong.stderr, /--until <time>.*It must be a date/)
    using terminal = permctlInTerminal(['audit', 'list', '--subject', batchId], {
      env,
      columns: 200,
    })
    t.equal(await terminal.exited, 0)
    t.match(terminal.shown(), /^sequence +time +action/)
  })

  await t.test('report: on standard output as JSON, CSV and HTML', async (t) => {
    const words = ['audit', 'report', 'permission-holders', '--permission', VIEW]
    const json = await permctl(words, { env })
    t.equal(json.code, 0, json.stderr)
    t.match(JSON.parse(json.stdout), { state: 'succeeded', report: { rows: [{ heldNow: true }] } })
    const { id } = JSON.parse(json.stdout) as { readonly id: string }
    const csvText = (await permctl(['audit', 'report', '--id', id, '-o', 'csv'], { env })).stdout
    t.match(csvText, /Alice Adler/)
    const html = await permctl(['audit', 'report', '--id', id, '--format', 'html'], { env })
    t.match(html.stdout, /^<!doctype html>[\s\S]*<\/html>\s*$/i)
    const period = ['--since', '2020-01-01', '--until', '2990-01-01']
    const changes = ['audit', 'report', 'changes', ...period, '--user', 'heidi.hahn@small.example']
    t.match((await permctl([...changes, '--format', 'csv'], { env })).stdout, /Heidi Hahn/)
  })

  await t.test('report: into a file, whole or not at all, and never over another', async (t) => {
    const words = ['audit', 'report', 'conflicts', '--out', 'conflicts.html']
    const first = await permctl(words, here)
    t.equal(first.code, 0, first.stderr)
    const { bytes } = JSON.parse(first.stdout) as { readonly bytes: number }
    const file = join(folder.path, 'conflicts.html')
    const written = await readFile(file)
    t.equal(written.length, bytes)
    t.match(written.toString(), /^<!doctype html>/i)
    const second = await permctl(words, here)
    t.equal(second.code, 2)
    t.match(second.stderr, /conflicts\.html exists: replace it\? .*--yes/)
    await writeFile(file, 'old')
    using terminal = permctlInTerminal(words, here)
    await terminal.until(/replace it\? \[y\/N\]/)
    terminal.type('y\r')
    t.equal(await terminal.exited, 0, terminal.shown())
    t.match(await readFile(file, 'utf8'), /^<!doctype html>/i)
    t.same(await readdir(folder.path), ['conflicts.html'], 'nothing else is left')
    const nowhere = await permctl([...words.slice(0, 3), '--out', 'none/x.csv'], here)
    t.equal(nowhere.code, 2)
    t.match(nowhere.stderr, /cannot be written \(ENOENT\)/)
  })

  await t.test('report: what is not for a kind is 2', async (t) => {
    const missing = await permctl(['audit', 'report', 'changes'], { env })
    t.equal(missing.code, 2)
    t.match(missing.stderr, /--since: from is required for changes/)
    t.match((await permctl(['audit', 'report'], { env })).stderr, /the kind of a report or --id/)
    t.equal((await permctl(['audit', 'report', '--id', 'none'], { env })).code, 2)
  })

  await t.test('verify: sound is 0, touched is 1 with the place', async (t) => {
    using terminal = permctlInTerminal(['audit', 'verify'], { env })
    t.equal(await terminal.exited, 0, terminal.shown())
    t.match(terminal.shown(), /^intact +true$/m)
    const path = join(served.env['DATA_DIR'] ?? '', 'genesys-permission-check.sqlite')
    const listed = `select name from sqlite_master where type = 'trigger'`
    const triggers = await executeOnSqlite(path, [listed])
    await executeOnSqlite(path, [
      ...triggers.map(({ name }) => `drop trigger ${String(name)}`),
      `update audit_entries set actor = 'nobody' where sequence = 2`,
    ])
    const { code, stdout } = await permctl(['audit', 'verify'], { env })
    t.equal(code, 1)
    t.match(JSON.parse(stdout), { intact: false, broken: { sequence: 2, reason: /./ } })
  })
})
