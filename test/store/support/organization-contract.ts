import { test } from 'tap'
import { batchOf, entry, openTestStore } from './store-under-test.ts'
import type { CreateDatabase } from './test-database.ts'

/** That one database serves one organisation, whichever database it is. */
export function testOrganization(createDatabase: CreateDatabase): void {
  test('a database belongs to the first organisation that is confirmed on it', async (t) => {
    const database = await createDatabase(t)
    const first = openTestStore(t, database)
    await first.store.roleChanges.accept(batchOf(['u1']), () => [entry()])
    await first.store.confirmOrganization('org-1')
    await first.store.confirmOrganization('org-1')
    const { store } = openTestStore(t, database, { witnessFile: `${database.folder}/other.json` })
    const both = /belongs to the organisation org-1, but the client to org-2/
    await t.rejects(store.confirmOrganization('org-2'), { code: 'invalid', message: both })
    const refused = { code: 'store-unavailable', message: both }
    await t.rejects(store.audit.append([entry()]), refused)
    await t.rejects(
      store.roleChanges.accept(batchOf(['u2']), () => []),
      refused,
    )
    await t.rejects(store.roleChanges.claim('two', 1_000), refused)
    await t.rejects(
      store.reports.create({}, 'anna', '', () => []),
      refused,
    )
    t.equal((await store.audit.head()).count, 1, 'what is there can be read')
    t.ok(await first.store.roleChanges.claim('one', 1_000))
  })

  test('a bound database gives no batch before the organisation is confirmed', async (t) => {
    const database = await createDatabase(t)
    const before = openTestStore(t, database)
    await before.store.confirmOrganization('org-1')
    await before.close()
    const { store } = openTestStore(t, database)
    const { batch } = await store.roleChanges.accept(batchOf(['u1']), () => [entry()])
    t.equal(await store.roleChanges.claim('one', 1_000), undefined)
    await store.confirmOrganization('org-1')
    t.equal((await store.roleChanges.claim('one', 1_000))?.batch.id, batch.id)
  })

  test('of two organisations that are confirmed at once one gets the database', async (t) => {
    const database = await createDatabase(t)
    const stores = ['org-1', 'org-2'].map((organizationId) => {
      const witnessFile = `${database.folder}/${organizationId}.json`
      return { organizationId, ...openTestStore(t, database, { witnessFile }) }
    })
    const settled = await Promise.allSettled(
      stores.map(({ store, organizationId }) => store.confirmOrganization(organizationId)),
    )
    t.same(settled.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
    const appended = await Promise.allSettled(
      stores.map(({ store }) => store.audit.append([entry()])),
    )
    t.same(
      appended.map(({ status }) => status),
      settled.map(({ status }) => status),
    )
  })
}
