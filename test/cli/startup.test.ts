import { spawnSync } from 'node:child_process'
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { test } from 'tap'
import { runCommandLine } from '../../src/cli/run-command-line.ts'
import { temporaryFolder } from '../end-to-end/support/environment.ts'
import { ROOT } from '../operations/support/repository.ts'

function runNode(words: readonly string[]) {
  // tap makes every child load its own modules: these are as users run them.
  const command = ['-u', 'NODE_OPTIONS', process.execPath, ...words]
  return spawnSync('env', command, { env: { PATH: process.env['PATH'] }, encoding: 'utf8' })
}

/** The program in a folder of its own, before a main file of this content. */
async function startWith(program: string, main: string, nodeVersion = process.versions.node) {
  await using folder = await temporaryFolder()
  await mkdir(join(folder.path, 'bin'))
  await mkdir(join(folder.path, 'dist/cli'), { recursive: true })
  await writeFile(join(folder.path, 'package.json'), '{"type": "module"}')
  await copyFile(join(ROOT, 'bin', program), join(folder.path, 'bin', program))
  await writeFile(join(folder.path, 'dist/cli/main.js'), main)
  await writeFile(join(folder.path, 'dist/main.js'), main)
  const version = `Object.defineProperty(process.versions, 'node', { value: '${nodeVersion}' })`
  await writeFile(join(folder.path, 'version.mjs'), version)
  const words = ['--import', `file://${folder.path}/version.mjs`]
  const { status, stderr } = runNode([...words, join(folder.path, 'bin', program)])
  return { code: status, stderr }
}

test('another Node is refused in one line, and never with 1', async (t) => {
  for (const program of ['permctl', 'permission-check']) {
    const old = await startWith(program, 'await using x', '22.22.0')
    t.equal(old.code, 2)
    t.match(old.stderr, /^.*needs Node\.js 24 or newer, this is 22\.22\.0\n$/)
    t.same(await startWith(program, 'process.exitCode = 7'), { code: 7, stderr: '' })
  }
})

test('a program that cannot be loaded ends with 3', async (t) => {
  const { code, stderr } = await startWith('permctl', 'this is no program')
  t.equal(code, 3)
  t.match(stderr, /^error: permctl cannot be loaded: SyntaxError.*\n$/)
})

test('whatever is thrown ends with 3 and a line', async (t) => {
  const stderr = new PassThrough()
  const write = stderr.write.bind(stderr)
  let isBroken = true
  const once = (text: string): boolean => {
    if (!isBroken) return write(text)
    isBroken = false
    throw new TypeError('odd\nend')
  }
  const { signal } = new AbortController()
  const code = await runCommandLine(['no-command'], {
    ...{ env: {}, folder: '/', stdin: new PassThrough(), stdout: new PassThrough() },
    ...{ stderr: Object.assign(stderr, { write: once }), signal, atOnce: signal },
  })
  t.equal(code, 3)
  t.match(String(stderr.read()), /^error: .* itself; please report it: TypeError: odd\\nend\n$/)
})

test('what nobody caught ends the process with 3 and one line', (t) => {
  const main = join(ROOT, 'src/cli/main.ts')
  for (const odd of [
    'throw new TypeError("a\\nb")',
    'void Promise.reject(new TypeError("a\\nb"))',
  ]) {
    const program = `process.argv = ['node', 'permctl', '--version']; await import(${JSON.stringify(main)}); setImmediate(() => { ${odd} })`
    const ended = runNode(['--input-type=module', '-e', program])
    t.equal(ended.status, 3)
    t.match(ended.stderr, /^error: something went wrong in permctl itself.*TypeError: a\\nb\n$/)
  }
  t.end()
})
