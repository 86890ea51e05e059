import { test } from 'tap'
import { SMALL_WORLD } from '../../simulator/small-world.ts'
import { FaultList } from '../../src/domain/fault-list.ts'
import { readDivisions } from '../../src/genesys/division-lookup.ts'
import { openUnderTest } from './platform-under-test.ts'

const { divisions } = SMALL_WORLD
const { signal } = new AbortController()

test('a division is told by its name where that finds it again, else by its id', async (t) => {
  await using context = await openUnderTest()
  const { platform, simulator } = context
  // Nobody is in it: no user tells of it.
  simulator.addDivision({ name: 'Sales' })
  const spaced = simulator.addDivision({ name: 'Night ' })
  const lookup = await readDivisions(platform.read, signal)
  t.equal(lookup.textOf({ id: divisions.support, name: 'Support' }), 'Support')
  for (const division of [{ id: divisions.sales, name: 'Sales' }, spaced]) {
    t.equal(lookup.textOf(division), division.id)
  }
  // A name of which the platform has told another division since.
  t.equal(lookup.textOf({ id: divisions.home, name: 'Support' }), divisions.home)
  t.equal(lookup.textOf({ id: divisions.home, name: '' }), divisions.home)
  const faults = new FaultList()
  t.equal(lookup.resolve(divisions.sales, 'line 2/division', faults), divisions.sales)
  t.equal(lookup.resolve('Sales', 'line 3/division', faults), undefined)
  t.throws(() => faults.throwIfAny(), { message: /2 divisions are called Sales/ })
})
