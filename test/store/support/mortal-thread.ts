import { parentPort } from 'node:worker_threads'
import type { ToSqliteThread } from '../../../src/store/sqlite-messages.ts'

/** A thread that answers every statement but those that it dies of. */
parentPort?.on('message', (message: ToSqliteThread) => {
  if (message.type === 'close') {
    parentPort?.close()
    return
  }
  if (message.sql === 'throw') throw new Error('a bug that nobody expected')
  if (message.sql === 'exit') process.exit(3)
  if (message.sql === 'silence') return
  const answer = { rows: [message.sql], changes: 0 }
  parentPort?.postMessage({ type: 'answer', id: message.id, answer }, [])
})
