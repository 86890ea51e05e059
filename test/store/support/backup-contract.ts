import { copyFile, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import type { Test } from 'tap'
import { never, numbered, openTestStore } from './store-under-test.ts'
import type { CreateDatabase, TestDatabase } from './test-database.ts'

const DOCUMENT = join(import.meta.dirname, '../../../docs/backup.md')
const WITNESS = 'cp data/audit-head.json backup/audit-head.json'

/** Makes a database of its own out of another that nobody is connected to, files in a folder. */
export type CopyDatabase = (t: Test, source: TestDatabase, folder: string) => Promise<TestDatabase>

/** The commands of a section's first block, in the order in which they are to be run. */
async function documentedSteps(section: string): Promise<readonly string[]> {
  const text = await readFile(DOCUMENT, 'utf8')
  const [, steps] = new RegExp(`^## ${section}\n.*?^\`\`\`sh\n(.*?)^\`\`\`$`, 'ms').exec(text) ?? []
  if (steps === undefined) throw new Error(`docs/backup.md has no commands for ${section}`)
  return steps.trim().split('\n')
}

async function write(t: Test, database: TestDatabase): Promise<void> {
  const { store, close } = openTestStore(t, database)
  await store.audit.append(numbered(5))
  await close()
}

/** That a backup that is made as documented, beside a service that writes, is sound. */
export function testBackupOrder(
  section: string,
  command: RegExp,
  createDatabase: CreateDatabase,
  copyDatabase: CopyDatabase,
): void {
  test(`the steps for ${section}, in their order, give a backup that verifies`, async (t) => {
    const live = await createDatabase(t)
    await write(t, live)
    const folder = join(live.folder, 'backup')
    await mkdir(folder)
    const steps = await documentedSteps(section)
    t.equal(steps.length, 2)
    let backup: TestDatabase | undefined
    for (const step of steps) {
      if (step === WITNESS) {
        await copyFile(join(live.folder, 'audit-head.json'), join(folder, 'audit-head.json'))
      } else {
        t.match(step, command)
        backup = await copyDatabase(t, live, folder)
      }
      await write(t, live)
    }
    if (backup === undefined) throw new Error('no step copies the database')
    const { store } = openTestStore(t, { ...backup, folder })
    t.match(await store.witnessAtStart(), { state: 'present' })
    t.match(await store.audit.verify(never()), { intact: true, checked: 10 })
  })
}
