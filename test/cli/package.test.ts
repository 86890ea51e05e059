import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, readlink, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'tap'
import { SMALL_WORLD } from '../../simulator/small-world.ts'
import { environment, temporaryFolder, CHECK_KEY } from '../end-to-end/support/environment.ts'
import { startServiceProcess } from '../end-to-end/support/processes.ts'
import { startPlatform } from '../end-to-end/support/service-under-test.ts'
import { runPath } from '../operations/support/dockerfile.ts'
import { readText, ROOT } from '../operations/support/repository.ts'

type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string }

async function run(
  program: string,
  words: readonly string[],
  cwd: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const { HOME = '' } = process.env
  // tap makes every child load its own modules: these are as users run them.
  const child = spawn('env', ['-u', 'NODE_OPTIONS', program, ...words], {
    cwd,
    env: { PATH: runPath(), HOME, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ])
  return { code, stdout, stderr }
}

/** Puts what `npm install` would fetch where it would put it: no registry is needed then. */
async function layDependencies(folder: string): Promise<void> {
  const { packages } = JSON.parse(readText('package-lock.json')) as {
    packages: Record<string, { dev?: boolean; optional?: boolean }>
  }
  for (const [path, { dev, optional }] of Object.entries(packages)) {
    // Nested ones come with those that they are nested in.
    if (path.lastIndexOf('node_modules') !== 0 || dev || optional) continue
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await cp(join(ROOT, path), join(folder, path), { recursive: true, verbatimSymlinks: true })
  }
  // npm fetches a package anew when a link to one of its programs is missing.
  const [bin, copied] = [join(ROOT, 'node_modules/.bin'), join(folder, 'node_modules/.bin')]
  await mkdir(copied)
  for (const name of await readdir(bin)) {
    const target = await readlink(join(bin, name))
    if (existsSync(join(copied, target))) await symlink(target, join(copied, name))
  }
}

test('the packed package', { timeout: 580_000 }, async (t) => {
  const folder = await temporaryFolder()
  t.teardown(() => folder[Symbol.asyncDispose]())
  const { path } = folder
  const packed = await run('npm', ['pack', '--json', '--pack-destination', path], ROOT)
  t.equal(packed.code, 0, packed.stderr)
  const tarball = (await readdir(path)).find((name) => name.endsWith('.tgz')) ?? ''

  await layDependencies(path)
  await writeFile(join(path, 'package.json'), '{"private": true}')
  const install = ['install', '--offline', '--no-audit', '--no-fund', '--ignore-scripts']
  const installed = await run('npm', [...install, `./${tarball}`], path)
  t.equal(installed.code, 0, installed.stderr)
  const bin = join(path, 'node_modules/.bin')

  await t.test('holds what runs, and neither sources nor tests', async (t) => {
    const root = join(path, 'node_modules/genesys-permission-check')
    const names = await readdir(root)
    t.same(names.toSorted(), [
      'LICENSE',
      'README.md',
      'bin',
      'dist',
      'docs',
      'openapi',
      'package.json',
    ])
    t.same((await readdir(join(root, 'docs'))).toSorted(), ['permctl.md', 'recipes.md'])
    const files = await readdir(join(root, 'dist'), { recursive: true })
    t.same(
      files.filter((name) => name.endsWith('.ts')),
      [],
    )
  })

  await t.test('has permctl, its help, and its version', async (t) => {
    const { version } = JSON.parse(readText('package.json')) as { version: string }
    t.equal((await run(join(bin, 'permctl'), ['--version'], path)).stdout, `${version}\n`)
    const help = await run(join(bin, 'permctl'), ['--help'], path)
    t.match(help, { code: 0, stdout: /Usage: permctl/ })
  })

  await t.test('has the service, and permctl asks it', async (t) => {
    const simulator = await startPlatform()
    t.teardown(() => simulator.close())
    const env = environment(simulator.url, join(path, 'data'))
    await using service = await startServiceProcess(env, [join(bin, 'permission-check')])
    await service.caller.untilReady()
    const listening = service.lines().find(({ msg }) => msg === 'listening')
    const variables = {
      PERMCTL_CHECK_URL: String(listening?.['check']),
      PERMCTL_CHECK_KEY: CHECK_KEY,
    }
    const words = ['check', SMALL_WORLD.users.alice, 'routing:queue:view']
    const checked = await run(join(bin, 'permctl'), words, path, variables)
    t.match(checked, { code: 0, stdout: /"allowed": true/ }, checked.stderr)
    service.child.kill('SIGTERM')
    t.same(await service.exited, { code: 0, signal: null })
    t.equal(service.stderr(), '')
  })
})

test('from a clone', async (t) => {
  const npx = await run('npx', ['--no-install', 'permctl', '--version'], ROOT)
  t.equal(npx.code, 0, npx.stderr)
  const direct = await run(process.execPath, ['src/cli/main.ts', '--version'], ROOT)
  t.equal(direct.stdout, npx.stdout)
})
