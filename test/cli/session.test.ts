import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { stripVTControlCharacters } from 'node:util'
import { test } from 'tap'
import { Interruption } from '../../src/cli/interruption.ts'
import { OutputStream } from '../../src/cli/output-stream.ts'
import { Session } from '../../src/cli/session.ts'
import type { GlobalOptions } from '../../src/cli/global-options.ts'
import type { Layer } from '../../src/cli/variables.ts'

type Place = 'terminal' | 'pipe'

/** A session with streams that stand for a terminal or a pipe. */
function openSession(place: Place, options: Partial<GlobalOptions> = {}, env: Layer = {}) {
  const stream = () =>
    Object.assign(new PassThrough(), { isTTY: place === 'terminal', columns: 40 })
  const [stdin, stdout, stderr] = [stream(), stream(), stream()]
  const stop = new AbortController()
  const { signal } = stop
  const surroundings = { env, folder: '/', stdin, stdout, stderr, signal, atOnce: signal }
  const session = new Session(
    surroundings,
    { timeout: 1, ...options },
    { stdout: new OutputStream(stdout), stderr: new OutputStream(stderr) },
  )
  return { session, stdin, stdout, stderr, stop }
}

test('what destroys asks on a terminal, and goes on for yes alone', async (t) => {
  const { session, stdin } = openSession('terminal')
  stdin.write('yes\n')
  await session.confirm('Delete it?')
  const other = openSession('terminal')
  other.stdin.write('\n')
  await t.rejects(other.session.confirm('Delete it?'), { message: /nothing was changed/ })
})

test('in a pipe what destroys needs --yes', async (t) => {
  const { session } = openSession('pipe')
  await t.rejects(session.confirm('Delete it?'), { code: 'invalid', message: /--yes/ })
  await openSession('pipe', { yes: true }).session.confirm('Delete it?')
})

test('an interruption ends a question, by signal or by key; so does the end of input', async (t) => {
  const byKey = openSession('terminal')
  const asked = byKey.session.confirm('Delete it?')
  byKey.stdin.write('\u0003')
  await t.rejects(asked, { name: 'Interruption', message: 'interrupted' })
  const bySignal = openSession('terminal')
  const waiting = bySignal.session.confirm('Delete it?')
  bySignal.stop.abort(new Interruption('SIGTERM'))
  await t.rejects(waiting, { name: 'Interruption', message: 'told to end' })
  const atEnd = openSession('terminal')
  const unanswered = atEnd.session.confirm('Delete it?')
  atEnd.stdin.end()
  await t.rejects(unanswered, { message: /nothing was changed/ })
})

test('progress is shown on a terminal only, and is gone before results', async (t) => {
  const { session, stdout, stderr } = openSession('terminal', { output: 'json' })
  session.progress.show('half\u001b way')
  await session.output.document({ a: 1 }, { columns: [] })
  stdout.end()
  stderr.end()
  t.equal(await text(stderr), '\r\u001b[2Khalf\\u001b way\r\u001b[2K')
  t.same(JSON.parse(await text(stdout)), { a: 1 })
  const piped = openSession('pipe')
  piped.session.progress.show('half way')
  piped.stderr.end()
  t.equal(await text(piped.stderr), '')
})

test('progress is cut to what has room, and is not for terminals that keep every line', async (t) => {
  const wide = openSession('terminal')
  wide.session.progress.show('日'.repeat(30))
  wide.stderr.end()
  t.equal(await text(wide.stderr), `\r\u001b[2K${'日'.repeat(19)}`)
  const dumb = openSession('terminal', {}, { TERM: 'dumb' })
  dumb.session.progress.show('half way')
  dumb.stderr.end()
  t.equal(await text(dumb.stderr), '')
})

test('columns are as wide as what stands in them', async (t) => {
  const { session, stdout } = openSession('terminal', { output: 'table' })
  const rows = [
    { name: '日本', id: 'b' },
    { name: 'e\u0301a', id: 'c' },
  ]
  await session.output.rows(rows, [
    { name: 'name', value: ({ name }) => name },
    { name: 'id', value: ({ id }) => id },
  ])
  stdout.end()
  const lines = stripVTControlCharacters(await text(stdout)).split('\n')
  t.same(lines, ['name  id', '日本  b', 'e\u0301a    c', ''])
})

test('every form holds what the others hold', async (t) => {
  type Row = { readonly name: string; readonly tags: readonly string[]; readonly count: number }
  const rows: readonly Row[] = [
    { name: '=1+1', tags: ['a', 'b'], count: -1 },
    { name: 'tab\tand\nline', tags: [], count: 2 },
  ]
  const columns = [
    { name: 'name', value: (row: Row) => row.name },
    { name: 'tags', value: (row: Row) => row.tags },
    { name: 'count', value: (row: Row) => row.count },
  ]
  const written = async (output: NonNullable<GlobalOptions['output']>): Promise<string> => {
    const { session, stdout } = openSession('pipe', { output })
    await session.output.rows(rows, columns)
    stdout.end()
    return await text(stdout)
  }
  t.same(JSON.parse(await written('json')), rows)
  const lines = (await written('ndjson')).trimEnd().split('\n')
  t.same(
    lines.map((line) => JSON.parse(line) as Row),
    rows,
  )
  t.equal(
    await written('csv'),
    `name,tags,count\r\n'=1+1,"a\nb",-1\r\n"tab\tand\nline",,2\r\n`,
    'formulas are texts, negative numbers stay numbers',
  )
  t.same((await written('table')).split('\n'), [
    'name            tags  count',
    '=1+1            a; b  -1',
    String.raw`tab\tand\nline        2`,
    '',
  ])
})
