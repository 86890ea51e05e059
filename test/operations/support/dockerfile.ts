import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { readText, ROOT } from './repository.ts'

type Instruction = { readonly name: string; readonly text: string }

type Stage = {
  readonly name: string
  /** An image, or the name of an earlier stage. */
  readonly from: string
  readonly instructions: readonly Instruction[]
}

export function readStages(): readonly Stage[] {
  const stages: (Stage & { instructions: Instruction[] })[] = []
  const lines = readText('Dockerfile')
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('#'))
  for (const line of lines.join('\n').replaceAll(/\\\n/g, ' ').split('\n')) {
    const [, name = '', text = ''] = /^([A-Z]+)\s+(.*)$/.exec(line.trim()) ?? []
    if (name === 'FROM') {
      const [from = '', , stage = ''] = text.split(/\s+/)
      stages.push({ name: stage, from, instructions: [] })
    } else if (name !== '') stages.at(-1)?.instructions.push({ name, text: text.trim() })
    else if (line.trim() !== '') throw new Error(`a Dockerfile line was not understood: ${line}`)
  }
  return stages
}

/** The instructions of a stage after those of the stages that it stands on. */
function instructionsOf(stageName: string): readonly Instruction[] {
  const stages = readStages()
  const stage = stages.find(({ name }) => name === stageName)
  if (!stage) throw new Error(`there is no stage ${stageName}`)
  const below = stages.some(({ name }) => name === stage.from) ? instructionsOf(stage.from) : []
  return [...below, ...stage.instructions]
}

export function textsOf(stageName: string, instruction: string): readonly string[] {
  const found = instructionsOf(stageName).filter(({ name }) => name === instruction)
  return found.map(({ text }) => text)
}

/** What `ENV` and `LABEL` set. */
export function pairsOf(stageName: string, instruction: 'ENV' | 'LABEL'): Record<string, string> {
  const pairs = textsOf(stageName, instruction).flatMap((text) => [
    ...text.matchAll(/([\w.]+)=(?:"([^"]*)"|(\S*))/g),
  ])
  return Object.fromEntries(pairs.map(([, name, quoted, plain]) => [name, quoted ?? plain ?? '']))
}

/** An instruction in exec form: the words of its JSON list. */
export function commandOf(stageName: string, instruction: 'CMD' | 'HEALTHCHECK'): string[] {
  const text = textsOf(stageName, instruction).at(-1) ?? ''
  return JSON.parse(text.slice(text.indexOf('['))) as string[]
}

/** Whether the builder is given a path; for allow-lists: `*`, then `!name` of the top level. */
export function isSent(path: string): boolean {
  const lines = readText('.dockerignore').split('\n')
  const [first, ...allowed] = lines.filter((line) => line !== '' && !line.startsWith('#'))
  if (first !== '*' || allowed.some((line) => !/^![^/*]+$/.test(line))) {
    throw new Error('.dockerignore is no longer a plain allow-list')
  }
  return allowed.includes(`!${path.split('/')[0]}`)
}

/**
 * Does in folders what a builder does in layers. `RUN` is limited to what is harmless here:
 * npm is executed, `install -d` and `ln -s` make their folder and link below the stage's own root.
 */
export class ImageBuilder {
  readonly #folder: string
  readonly #built = new Map<string, Promise<string>>()

  private constructor(folder: string) {
    this.#folder = folder
  }

  static async open(): Promise<ImageBuilder> {
    return new ImageBuilder(await mkdtemp(join(tmpdir(), 'permission-check-image-')))
  }

  get folder(): string {
    return this.#folder
  }

  /** The root folder of a built stage. */
  build(stageName: string): Promise<string> {
    const built = this.#built.get(stageName) ?? this.#build(stageName)
    this.#built.set(stageName, built)
    return built
  }

  async #build(stageName: string): Promise<string> {
    const root = join(this.#folder, stageName)
    await mkdir(root)
    let directory = '/'
    for (const { name, text } of instructionsOf(stageName)) {
      if (name === 'WORKDIR') {
        directory = text
        await mkdir(join(root, directory), { recursive: true })
      } else if (name === 'COPY') await this.#copy(text, join(root, directory))
      else if (name === 'RUN') await run(text, root, join(root, directory))
    }
    return root
  }

  async #copy(text: string, directory: string): Promise<void> {
    const words = text.split(/\s+/)
    const stage = words[0]?.startsWith('--from=')
      ? words.shift()?.slice('--from='.length)
      : undefined
    const target = join(directory, words.pop() ?? '')
    const source = stage === undefined ? ROOT : await this.build(stage)
    for (const path of words) {
      if (stage === undefined && !isSent(path)) throw new Error(`.dockerignore hides ${path}`)
      const from = join(source, path)
      const into = text.endsWith('/') ? join(target, basename(path)) : target
      if (!existsSync(from)) throw new Error(`COPY names ${path}, which does not exist`)
      await mkdir(dirname(into), { recursive: true })
      await cp(from, into, { recursive: true, verbatimSymlinks: true })
    }
  }
}

const NPM_TIMEOUT_MS = 400_000

async function run(text: string, root: string, directory: string): Promise<void> {
  for (const command of text.split(' && ')) {
    const words = command.trim().split(/\s+/)
    const [program, verb] = words
    if (/[;&|<>`$]/.test(command)) throw new Error(`the test does not execute ${command}`)
    if (program === 'npm' && (verb === 'ci' || verb === 'pkg')) await npm(words.slice(1), directory)
    else if (program === 'install' && verb === '-d') {
      await mkdir(join(root, words.at(-1) ?? ''), { recursive: true, mode: 0o700 })
    } else if (program === 'ln' && verb === '-s') {
      const [, , target = '', link = ''] = words
      await mkdir(dirname(join(root, link)), { recursive: true })
      await symlink(join(root, target), join(root, link))
    } else throw new Error(`the test does not execute ${command}`)
  }
}

async function npm(words: readonly string[], directory: string): Promise<void> {
  const child = spawn('npm', words, {
    cwd: directory,
    env: { ...process.env, PATH: runPath(), npm_config_prefer_offline: 'true' },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: NPM_TIMEOUT_MS,
  })
  let complaints = ''
  child.stderr.on('data', (chunk) => (complaints += String(chunk)))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`npm ${words.join(' ')} ended with ${code}: ${complaints}`)
}

/** The node that runs this test comes first, as it does in the image. */
export function runPath(): string {
  return `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`
}
