import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { test } from 'tap'
import { MAX_EVALUATIONS } from '../../src/http/authzen/authzen-schemas.ts'
import { MAX_TEXT_LENGTH } from '../../src/http/authzen/entities.ts'
import { readPlainQuestion, readPlainQuestions } from '../../src/http/authzen/plain-question.ts'
import { questionOf, readMany } from '../../src/http/authzen/read-questions.ts'
import { parseStrictJson } from '../../src/http/authzen/strict-json.ts'

/** Authorization API 1.0, 6 and 7: a question in its plain form is read as any other one is. */

const QUESTION = {
  subject: { type: 'user', id: '0b9a1c6e-3f5d-4f0a-9c51-7d6a1f0e2b34' },
  action: { name: 'view' },
  resource: { type: 'routing:queue', id: '5c2e7f8a-1d34-4b6c-8e9f-0a1b2c3d4e5f' },
}
const PLAIN = JSON.stringify(QUESTION)
const READ = questionOf(QUESTION)

/** As Python's `json.dumps` and others write JSON. */
function spaced(text: string): string {
  return text.replaceAll(/(?<=")[,:]|(?<=})[,]/g, '$& ')
}

test('the plain form is taken, with and without blanks', (t) => {
  t.same(readPlainQuestion(Buffer.from(PLAIN)), READ)
  t.same(readPlainQuestion(Buffer.from(spaced(PLAIN))), READ)
  const many = JSON.stringify({ evaluations: [QUESTION, QUESTION, QUESTION] })
  t.same(readPlainQuestions(Buffer.from(many)), [READ, READ, READ])
  t.same(readPlainQuestions(Buffer.from(spaced(many))), [READ, READ, READ])
  t.end()
})

test('what is in the plain form and what is near to it reads as the parser reads it', (t) => {
  const parts = ['"', '\\', '\\u0041', '{', '}', ',', ':', ' ', '\n', 'é', '\u0000', '[', ']', '']
  const piece = fc.constantFrom(...parts, '"id":"x"', '"type":"x",', 'null', '5')
  const edits = fc.array(fc.tuple(fc.nat(), fc.nat(4), piece), { maxLength: 2 })
  const form = fc.constantFrom(
    ...[PLAIN, spaced(PLAIN), `{"evaluations":[${PLAIN}]}`],
    `{"evaluations":[${PLAIN},${spaced(PLAIN)}]}`,
  )
  let taken = 0
  fc.assert(
    fc.property(form, edits, (text, list) => {
      const edited = list.reduce((whole, [at, length, part]) => {
        const start = at % (whole.length + 1)
        return whole.slice(0, start) + part + whole.slice(start + length)
      }, text)
      const body = Buffer.from(edited)
      const one = readPlainQuestion(body)
      const many = readPlainQuestions(body)
      if (one) assert.deepEqual(one, questionOf(parseStrictJson(body)))
      if (many) {
        const { evaluations, ...rest } = parseStrictJson(body) as { evaluations: unknown[] }
        assert.deepEqual(many, evaluations.map(questionOf))
        assert.deepEqual(rest, {})
      }
      if (one ?? many) taken += 1
    }),
    { numRuns: 5_000 },
  )
  t.ok(taken > 500, `${taken} were taken`)
  t.end()
})

test('any text that needs no escape may stand in it', (t) => {
  const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(text, text, text, text, text, (type, id, name, resource, division) => {
      const question = {
        subject: { type, id },
        action: { name },
        resource: { type: resource, id: division },
      }
      const written = JSON.stringify(question)
      const plain = /^[\x20-\x7e]*$/.test(written) && !written.includes('\\')
      const read = readPlainQuestion(Buffer.from(written))
      assert.deepEqual(read, plain ? questionOf(question) : undefined)
    }),
    { examples: [[' ', '~', '!', '#[]', '{},:']] },
  )
  t.end()
})

function named(length: number): Buffer {
  return Buffer.from(JSON.stringify({ ...QUESTION, action: { name: 'x'.repeat(length) } }))
}

function asked(count: number): Buffer {
  return Buffer.from(`{"evaluations":[${Array.from({ length: count }, () => PLAIN).join()}]}`)
}

test('lengths are those of every question', (t) => {
  t.equal(readPlainQuestion(named(MAX_TEXT_LENGTH))?.action.length, MAX_TEXT_LENGTH)
  for (const length of [0, MAX_TEXT_LENGTH + 1, 8 * 1024 * 1024]) {
    t.equal(readPlainQuestion(named(length)), undefined, `${length}`)
  }
  t.equal(readPlainQuestions(asked(MAX_EVALUATIONS))?.length, MAX_EVALUATIONS)
  t.equal(readPlainQuestions(asked(MAX_EVALUATIONS + 1)), undefined)
  t.throws(() => readMany(asked(MAX_EVALUATIONS + 1)), /at most/)
  t.end()
})
