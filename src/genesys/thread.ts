import { constants, setPriority } from 'node:os'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import type { ArchitecturePlatform } from '../domain/architecture-platform.ts'
import { buildMatrix } from '../domain/build-matrix.ts'
import { compareMatrices } from '../domain/compare-matrices.ts'
import { currentConflicts } from '../domain/list-conflicts.ts'
import { Matrix } from '../domain/matrix.ts'
import { mergeSubjects } from '../domain/merge-subjects.ts'
import { writeSimulation } from '../domain/simulation-text.ts'
import { openArchitecture } from './architecture.ts'
import { performArchitecture } from './architecture-calls.ts'
import { openPlatform } from './platform-client.ts'
import type { Platform, PlatformOptions } from './platform-client.ts'
import { preflight } from './preflight.ts'
import { readDirectGrants } from './read-direct-grants.ts'
import { readFacts } from './read-facts.ts'
import { readSubjects } from './read-subjects.ts'
import { plainFailure } from './thread-messages.ts'
import type { FromThread, ThreadCall, ToThread } from './thread-messages.ts'
import { writeGrants } from './write-grants.ts'

// Checks come first where cores are few. On Linux 0 is the calling thread; elsewhere it would be all.
if (process.platform === 'linux') setPriority(0, constants.priority.PRIORITY_BELOW_NORMAL)

/**
 * The thread that speaks to the platform: the one place where the SDK is loaded, and where token
 * and budget live. Answers each call with one message; ends when it is told to close.
 */
function serve(): void {
  const port = parentPort
  if (port === null) throw new Error('this file is the entry of a worker thread')
  const post = (message: FromThread): void => port.postMessage(message, bytesOf(message))
  const platform = openPlatform(workerData as PlatformOptions, (event) => {
    post({ type: 'event', event })
  })
  const architecture = openArchitecture(platform)
  const running = new Map<number, AbortController>()

  const answer = async (call: ThreadCall): Promise<void> => {
    const { id } = call
    const controller = new AbortController()
    running.set(id, controller)
    try {
      const parts = { platform, architecture }
      post({ type: 'answer', id, answer: await perform(call, parts, controller.signal, post) })
    } catch (error) {
      post({ type: 'failure', id, failure: plainFailure(error) })
    } finally {
      running.delete(id)
    }
  }

  port.on('message', (message: ToThread) => {
    switch (message.type) {
      case 'call':
        void answer(message)
        break
      case 'abort':
        running.get(message.id)?.abort()
        break
      case 'close':
        void platform[Symbol.asyncDispose]().finally(() => port.close())
    }
  })
}

type Parts = { readonly platform: Platform; readonly architecture: ArchitecturePlatform }

async function perform(
  call: ThreadCall,
  { platform, architecture }: Parts,
  signal: AbortSignal,
  post: (message: FromThread) => void,
): Promise<unknown> {
  const { id } = call
  switch (call.kind) {
    case 'preflight':
      return preflight(platform, signal)
    case 'readMatrix': {
      const onProgress = (progress: { done: number; total: number }): void => {
        post({ type: 'progress', id, progress })
      }
      return buildMatrix(await readFacts(platform.read, { signal, onProgress }))
    }
    case 'readSubjects':
      return readSubjects(platform.read, call.request, signal)
    case 'readDirectGrants':
      return readDirectGrants(platform.read, call.request, signal)
    case 'writeGrants':
      return writeGrants(platform.write, call.request.userId, call.request.delta, signal)
    case 'merge':
      return mergeSubjects(call.request.base, call.request.subjects)
    case 'compare':
      return compareMatrices(call.request.before, call.request.after)
    case 'simulate': {
      const { base, question } = call.request
      return inTurn(signal, () => writeSimulation(new Matrix(base), question))
    }
    case 'conflicts': {
      const { matrix, rules, page } = call.request
      return inTurn(signal, () => currentConflicts(new Matrix(matrix), rules, page))
    }
    default:
      return performArchitecture(call, architecture, signal)
  }
}

let lastTurn: Promise<unknown> = Promise.resolve()

/**
 * Does long work for those who only look, one after another, and lets what speaks to the platform
 * have its turn in between. What was given up while it waited is not done at all.
 */
function inTurn<Result>(signal: AbortSignal, work: () => Result): Promise<Result> {
  const turn = lastTurn.then(async () => {
    await nextTurn()
    signal.throwIfAborted()
    return work()
  })
  lastTurn = turn.catch(() => undefined)
  return turn
}

/** What a message hands over instead of copying it. */
function bytesOf(message: FromThread): ArrayBuffer[] {
  if (message.type !== 'answer') return []
  const { answer } = message
  if (typeof answer !== 'object' || answer === null || !('json' in answer)) return []
  return answer.json instanceof Uint8Array && answer.json.buffer instanceof ArrayBuffer
    ? [answer.json.buffer]
    : []
}

serve()
