import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'tap'
import { DEFAULT_CLIENT } from '../../simulator/simulated-client.ts'
import { temporaryFolder } from '../end-to-end/support/environment.ts'
import { readText, ROOT } from '../operations/support/repository.ts'
import type { Env } from './support/permctl.ts'
import { startServedWorld } from './support/service.ts'

type Recipe = { readonly title: string; readonly script: string; readonly shown: string }

const FENCES = /^```(sh|text)\n([\s\S]*?)^```$/gm

/** Scripts of the page in order, each with what the page shows of its output. */
function recipes(page: string): Recipe[] {
  const found: Recipe[] = []
  for (const fence of page.matchAll(FENCES)) {
    const [, language, body = ''] = fence
    const titles = [...page.slice(0, fence.index).matchAll(/^\*\*(.+?)\*\*/gm)]
    const last = found.pop()
    if (language === 'text' && last) found.push({ ...last, shown: body })
    else {
      if (last) found.push(last)
      found.push({ title: titles.at(-1)?.[1] ?? 'setting up', script: body, shown: '' })
    }
  }
  return found
}

/** What the page shows as a pattern: `…` stands for anything on its line. */
function pattern(shown: string): RegExp {
  const parts = shown.split('…').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`)
}

async function runScript(script: string, folder: string, env: Env) {
  // As a pipeline would: the first line that fails ends it. tap makes every child load its own
  // modules: these are as users run them.
  const words = ['-u', 'NODE_OPTIONS', 'bash', '-eu', '-o', 'pipefail', '-c', script]
  const child = spawn('env', words, {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ])
  return { code, stdout, stderr }
}

test('every recipe does what the page shows', async (t) => {
  const [setup, ...others] = recipes(readText('docs/recipes.md'))
  const set = [...(setup?.script ?? '').matchAll(/^export (\w+)=(\S+)$/gm)]
  await using world = await startServedWorld()
  await using folder = await temporaryFolder()
  const variables: Env = {
    ...Object.fromEntries(set.map(([, name = '', value = '']) => [name, value])),
    // The same, for the ports and keys of this run.
    ...world.permctlEnv,
    GENESYS_BASE_URL: world.simulator.url,
    GENESYS_REQUESTS_PER_MINUTE: '100000',
  }
  t.equal(variables['GENESYS_CLIENT_ID'], DEFAULT_CLIENT.id)
  t.equal(variables['GENESYS_CLIENT_SECRET'], DEFAULT_CLIENT.secret)

  const bin = join(folder.path, 'bin')
  await mkdir(bin)
  await symlink(join(ROOT, 'bin/permctl'), join(bin, 'permctl'))
  const env = { ...variables, PATH: `${bin}:${dirname(process.execPath)}:${process.env['PATH']}` }
  t.ok(others.length > 12, 'the page was read')
  for (const { title, script, shown } of others) {
    const { code, stdout, stderr } = await runScript(script, folder.path, env)
    t.equal(code, 0, `${title}\n${stdout}\n${stderr}`)
    // Lines of CSV end as RFC 4180 has it.
    if (shown !== '') t.match(stdout.replaceAll('\r\n', '\n'), pattern(shown), title)
  }
})
