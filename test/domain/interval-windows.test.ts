import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { test } from 'tap'
import {
  INTERVALS_MS,
  readRange,
  windowsOf,
  windowText,
} from '../../src/domain/interval-windows.ts'
import type { IntervalName } from '../../src/domain/interval-windows.ts'

const DAY_MS = 86_400_000

test('windows fill the range without gap or overlap, in whole intervals', async () => {
  const interval = fc.constantFrom(...(Object.keys(INTERVALS_MS) as IntervalName[]))
  const start = fc.integer({ min: 0, max: 20_000 })
  const count = fc.integer({ min: 1, max: 5_000 })
  const maxMs = fc.integer({ min: 1, max: 40 * DAY_MS })
  fc.assert(
    fc.property(interval, start, count, maxMs, (name, day, intervals, most) => {
      const intervalMs = INTERVALS_MS[name]
      const range = { from: day * DAY_MS, to: day * DAY_MS + intervals * intervalMs }
      let { from } = range
      for (const window of windowsOf(range, intervalMs, most)) {
        assert.equal(window.from, from)
        assert.ok(window.to > window.from)
        assert.equal((window.to - window.from) % intervalMs, 0)
        assert.ok(window.to - window.from <= Math.max(most, intervalMs))
        from = window.to
      }
      assert.equal(from, range.to)
    }),
  )
})

test('a range is read in UTC, whatever happens to clocks on the way', async (t) => {
  // In Europe the day that begins on 28 March 2027 has 23 hours.
  const range = readRange('2027-03-27', '2027-03-30', 'P1D')
  t.equal(range.to - range.from, 3 * DAY_MS)
  t.same([...windowsOf(range, DAY_MS, 2 * DAY_MS)].map(windowText), [
    '2027-03-27T00:00:00.000Z/2027-03-29T00:00:00.000Z',
    '2027-03-29T00:00:00.000Z/2027-03-30T00:00:00.000Z',
  ])
  t.same(
    readRange('2027-03-28T02:00:00+02:00', '2027-03-28T01:30:00Z', 'PT30M'),
    readRange('2027-03-28', '2027-03-28T01:30:00Z', 'PT30M'),
  )
})

test('a range that cuts an interval is refused and told where it could end', async (t) => {
  const cases = [
    ['2027-01-01T00:10:00Z', '2027-01-02', 'PT30M', 'from', /00:00:00.000Z or .*00:30:00.000Z/],
    ['2027-01-01', '2027-01-02T12:00:00Z', 'P1D', 'to', /2027-01-02.* or 2027-01-03/],
    ['2027-01-01', '2027-01-09', 'P7D', 'to', /do not fill the range/],
    ['2027-01-02', '2027-01-01', 'P1D', 'to', /after from/],
    ['2027-02-30', '2027-03-03', 'P1D', 'from', /must be a date/],
    ['2027-01-01T00:00', '2027-01-03', 'P1D', 'from', /with Z or an offset/],
    ['2020-01-01', '2027-01-01', 'P1D', 'to', /three years/],
  ] as const
  for (const [from, to, interval, field, message] of cases) {
    t.throws(() => readRange(from, to, interval), { code: 'invalid', field, message }, from)
  }
})
