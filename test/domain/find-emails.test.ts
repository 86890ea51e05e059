import { test } from 'tap'
import { findEmails, findEmailsInTurns } from '../../src/domain/find-emails.ts'
import { matrixOf, userOf } from './support/small-world.ts'

const COUNT = 25_000

test('emails of many users are found in turns, as they are in one', async (t) => {
  const matrix = matrixOf({
    subjects: Array.from({ length: COUNT }, (_, i) => {
      return userOf(`user-${i}`, [], { email: `${i % 10_000}@Example.org` })
    }),
  })
  const wanted = new Set(['0@example.org', '9999@example.org', 'nobody@example.org'])
  let pauses = 0
  const found = await findEmailsInTurns(matrix, wanted, async () => {
    pauses += 1
  })
  t.equal(pauses, 2)
  t.same(found, findEmails(matrix, wanted))
  t.same([...found].map(([email, owners]) => [email, owners.length]).sort(), [
    ['0@example.org', 3],
    ['9999@example.org', 2],
  ])
})

test('where nobody is named by email nothing is looked through', async (t) => {
  const matrix = matrixOf({ subjects: [userOf('anna', [], { email: 'anna@example.org' })] })
  const never = async (): Promise<void> => {
    t.fail('there is nothing to wait for')
  }
  t.equal((await findEmailsInTurns(matrix, new Set(), never)).size, 0)
})
