import { execFile } from 'node:child_process'
import { copyFile, cp, mkdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'tap'
import type { Test } from 'tap'
import { batchOf, entry, never, numbered, openTestStore } from './support/store-under-test.ts'
import { createSqliteDatabase } from './support/test-database.ts'
import type { TestDatabase } from './support/test-database.ts'

const run = promisify(execFile)
const DOCUMENT = join(import.meta.dirname, '../../docs/backup.md')

/** The command that the documentation gives, with other files. */
async function backUp(source: string, target: string): Promise<void> {
  const text = await readFile(DOCUMENT, 'utf8')
  const [, code] = /^node -e "(.*)" data\/store\.db backup\/store\.db$/m.exec(text) ?? []
  if (code === undefined) throw new Error('docs/backup.md has no such command')
  await run(process.execPath, ['-e', code, source, target])
}

async function backedUpWhileWriting(t: Test) {
  const database = await createSqliteDatabase(t)
  if (database.location.kind !== 'sqlite') throw new Error('not SQLite')
  const live = openTestStore(t, database)
  await live.store.audit.append(numbered(20))
  const accepted = await live.store.roleChanges.accept(batchOf(['u1']), () => [entry()])
  const folder = join(database.folder, 'backup')
  await mkdir(folder)
  const backup = backUp(database.location.path, join(folder, 'store.db'))
  const pending = Promise.resolve('pending' as const)
  while ((await Promise.race([backup, pending])) === 'pending') {
    await live.store.audit.append(numbered(3))
  }
  await live.store.audit.append([entry()])
  await live.close()
  return { live, folder, batchId: accepted.batch.id }
}

function restored(folder: string): TestDatabase {
  return {
    folder,
    location: { kind: 'sqlite', path: join(folder, 'store.db') },
    execute: () => Promise.reject(new Error('not here')),
    dropGuards: () => Promise.reject(new Error('not here')),
  }
}

test('a backup of a running store is a store of its own, with a chain that verifies', async (t) => {
  const { folder, batchId } = await backedUpWhileWriting(t)
  const elsewhere = join(folder, 'elsewhere')
  await mkdir(elsewhere)
  await cp(join(folder, 'store.db'), join(elsewhere, 'store.db'))
  const { store } = openTestStore(t, restored(elsewhere))
  const found = await store.audit.verify(never())
  t.equal(found.intact, true)
  t.ok(found.checked >= 21)
  t.match(await store.roleChanges.find(batchId), { state: 'pending' })
  await t.rejects(store.audit.append([entry({ details: { x: 'x'.repeat(300_000) } })]))
  await store.audit.append([entry()])
  t.match(await store.audit.verify(never()), { intact: true, checked: found.checked + 1 })
})

test('a witness ahead of the restored database tells of it, until an operator accepts', async (t) => {
  const { live, folder } = await backedUpWhileWriting(t)
  const witnessFile = join(folder, 'audit-head.json')
  await copyFile(live.witnessFile, witnessFile)
  const { count } = JSON.parse(await readFile(witnessFile, 'utf8')) as { count: number }
  const ahead = openTestStore(t, restored(folder))
  const { broken, head, witness } = await ahead.store.audit.verify(never())
  t.ok(head.count < count)
  t.equal(witness?.count, count)
  t.match(broken, { sequence: head.count + 1, reason: /missing: the witness/ })
  await ahead.close()
  await rename(witnessFile, join(folder, 'audit-head.lost.json'))
  const accepted = openTestStore(t, restored(folder))
  t.match(await accepted.store.audit.verify(never()), { intact: true, checked: head.count })
  await accepted.close()
  t.match(JSON.parse(await readFile(witnessFile, 'utf8')), { count: head.count })
})
