import { spawnSync } from 'node:child_process'
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'tap'
import { temporaryFolder } from '../end-to-end/support/environment.ts'
import { ROOT } from '../operations/support/repository.ts'
import { permctl, permctlInTerminal } from './support/permctl.ts'

async function offered(words: readonly string[], folder?: string): Promise<readonly string[]> {
  const at = folder === undefined ? {} : { folder }
  const { stdout } = await permctl(['complete', '--', ...words], at)
  return stdout.split('\n').map((line) => line.split('\t')[0] ?? '')
}

test('completion offers commands, options and values, global ones behind a command too', async (t) => {
  await using folder = await temporaryFolder()
  for (const name of ['staging', 'example', 'live']) {
    await writeFile(join(folder.path, `.env.${name}`), '')
  }
  const cases: readonly (readonly [readonly string[], readonly string[]])[] = [
    [['w'], ['who-can']],
    [['changes', 'a'], ['apply']],
    [
      ['who-can', '--'],
      ['--division', '--limit', '--output', '--profile', '--yes'],
    ],
    [['--'], ['--output', '--environment', '--admin-url']],
    [
      ['changes', 'list', '--output', ''],
      ['table', 'json', 'csv', 'ndjson'],
    ],
    [['check', '-o', 'n'], ['ndjson']],
    [
      ['users', 'list', '--environment', 'eu'],
      ['eu', 'eu-west-1'],
    ],
    [
      ['check', '--profile', ''],
      ['staging', 'live'],
    ],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
  ]
  const answers = await Promise.all(cases.map(([words]) => offered(words, folder.path)))
  for (const [index, [words, wanted]] of cases.entries()) {
    for (const word of wanted) t.ok(answers[index]?.includes(word), `${words.join(' ')}: ${word}`)
  }
  t.notOk(answers.some((words) => words.includes('example')))
  t.notOk(answers.at(-1)?.includes('powershell'), 'it has no script')
})

test('no script evaluates what is being typed', async (t) => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, stdout } = await permctl(['completion', shell])
    t.equal(code, 0)
    t.match(stdout, /permctl complete -- /, shell)
    t.notMatch(stdout, /eval|readonly|Invoke-Expression/, shell)
  }
  const { stdout } = await permctl(['completion', 'bash'])
  t.equal(spawnSync('bash', ['-n'], { input: stdout }).status, 0)
  t.equal((await permctl(['completion', 'powershell'])).code, 2)
})

test('TAB in bash completes words, values and files, and runs nothing', async (t) => {
  await using folder = await temporaryFolder()
  const bin = join(folder.path, 'bin')
  const here = join(folder.path, 'here')
  for (const path of [bin, here]) await mkdir(path)
  await symlink(join(ROOT, 'bin/permctl'), join(bin, 'permctl'))
  await writeFile(join(folder.path, 'permctl.bash'), (await permctl(['completion', 'bash'])).stdout)
  for (const name of ['monday.csv', 'kept', '.env.staging']) {
    await writeFile(join(here, name), 'as it was')
  }
  using shell = permctlInTerminal(['--noprofile', '--norc', '-i'], {
    program: 'bash',
    folder: here,
    columns: 200,
    env: { PATH: `${bin}:${dirname(process.execPath)}:/usr/bin:/bin`, PS1: '> ', HOME: here },
  })
  const line = async (typed: string, expected: RegExp): Promise<void> => {
    shell.type(typed)
    t.match(await shell.until(expected), expected)
    // The line is given up, and the next one begins. Ctrl-C would throw what is typed next away.
    shell.type('\u0005\u0015')
  }
  // Sourced twice, as by a profile that is read again.
  shell.type('. ../permctl.bash; . ../permctl.bash; set -o noclobber; echo sour"ced"\r')
  t.notMatch(await shell.until(/sourced/), /bash: /)
  await line('permctl who\t', /permctl who-can /)
  await line('permctl changes apply mon\t', /apply monday\.csv /)
  await line('permctl check a b --output=nd\t', /--output=ndjson /)
  await line('permctl check a b --environment ca-c\t', /--environment ca-central-1 /)
  await line('permctl check a b --prof\tstag\t', /--profile staging /)
  await line('permctl check $(touch ran) --divi\t', /--division /)
  await line('permctl who-can x > kept --divi\t', /kept --division /)
  await line('permctl who-can "$(touch ran)" x; permctl --outp\t', /permctl --output /)
  t.same((await readdir(here)).filter((name) => name !== '.bash_history').toSorted(), [
    ...['.env.staging', 'kept', 'monday.csv'],
  ])
  const kept = spawnSync('cat', [join(here, 'kept')], { encoding: 'utf8' })
  t.equal(kept.stdout, 'as it was')
})
