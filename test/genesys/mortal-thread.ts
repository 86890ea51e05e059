import { parentPort } from 'node:worker_threads'
import type { ToThread } from '../../src/genesys/thread-messages.ts'

/** A thread that answers one kind of call and dies, falls silent or hangs on the others. */
parentPort?.on('message', (message: ToThread) => {
  if (message.type === 'close') parentPort?.close()
  if (message.type !== 'call') return
  if (message.kind === 'preflight') throw new Error('a bug that nobody expected')
  if (message.kind === 'readMatrix' || message.kind === 'createEnvironment') process.exit(3)
  if (message.kind === 'readSubjects') for (;;);
  if (message.kind === 'merge')
    parentPort?.postMessage({ type: 'answer', id: message.id, answer: 1 }, [])
})
