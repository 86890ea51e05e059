import { constants, setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { buildMatrix } from '../domain/build-matrix.ts'
import { compareMatrices } from '../domain/compare-matrices.ts'
import { currentConflicts } from '../domain/list-conflicts.ts'
import { Matrix } from '../domain/matrix.ts'
import { mergeSubjects } from '../domain/merge-subjects.ts'
import { simulate } from '../domain/simulate.ts'
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
  const post = (message: FromThread): void => port.postMessage(message)
  const platform = openPlatform(workerData as PlatformOptions, (event) => {
    post({ type: 'event', event })
  })
  const running = new Map<number, AbortController>()

  const answer = async (call: ThreadCall): Promise<void> => {
    const { id } = call
    const controller = new AbortController()
    running.set(id, controller)
    try {
      post({ type: 'answer', id, answer: await perform(call, platform, controller.signal, post) })
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

async function perform(
  call: ThreadCall,
  platform: Platform,
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
    case 'simulate':
      return simulate(new Matrix(call.request.base), call.request.request)
    case 'conflicts': {
      const { matrix, rules, limit } = call.request
      return currentConflicts(new Matrix(matrix), rules, { limit })
    }
  }
}

serve()
