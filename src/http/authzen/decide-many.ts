import { ALLOWED, UNKNOWN_USER } from '../../domain/evaluate.ts'
import type { Fault } from '../../domain/failure.ts'
import { findRecords } from '../../domain/find-records.ts'
import type { Matrix } from '../../domain/matrix.ts'
import type { Pause } from '../long-work.ts'
import { MAX_EXPLANATION_UNITS } from './authzen-schemas.ts'
import type { DecisionWriter } from './decision-text.ts'
import { isFault } from './entities.ts'
import type { Questions } from './read-questions.ts'
import { noteUnknown, resolveQuestion } from './resolve-question.ts'
import type { AuthzenRouteDeps } from './resolve-question.ts'

export type Batch = {
  readonly asked: Questions
  /** Of the matrix, in seconds. */
  readonly age: number
  readonly pause: Pause
}

/** Questions that are read and looked up together; so many are decided in a millisecond. */
const CHUNK = 1_000
/** Reading a question and writing its decision. */
const ITEM_STEPS = 100
/** Writing an explanation: a step for each eight units. */
const UNIT_SHIFT = 3
/** Steps after which other requests get their turn: a few milliseconds. */
const TURN_STEPS = 300_000

/** Decisions in the order of the questions, up to the one that the semantic ends with. */
export async function decideMany(
  deps: AuthzenRouteDeps,
  decide: DecisionWriter,
  matrix: Matrix,
  { asked, age, pause }: Batch,
): Promise<string> {
  const room = { units: MAX_EXPLANATION_UNITS }
  let answer = '{"evaluations":['
  let comma = ''
  let mark = matrix.steps.mark()
  for (let from = 0; from < asked.count; from += CHUNK) {
    const questions = asked.slice(from, from + CHUNK)
    const ids = questions.map((question) => (isFault(question) ? '' : question.subjectId))
    const records = findRecords(matrix, ids)
    for (let i = 0; i < questions.length; i++) {
      const question = questions[i] as (typeof questions)[number]
      const { units } = room
      let allowed = false
      if (isFault(question)) answer += comma + faultText(question)
      else {
        const record = records[i] as number
        const resolved = resolveQuestion(matrix, deps.resourceTypes, question, record)
        const { outcome, text } = decide(matrix, resolved, question, age, room)
        if (outcome === UNKNOWN_USER) noteUnknown(deps, matrix, question)
        deps.metrics.decided(outcome)
        answer += comma + text
        allowed = outcome === ALLOWED
      }
      comma = ','
      if (asked.semantic === (allowed ? 'permit_on_first_permit' : 'deny_on_first_deny')) {
        return `${answer}]}`
      }
      matrix.steps.count(ITEM_STEPS + ((units - room.units) >>> UNIT_SHIFT))
      if (matrix.steps.since(mark) < TURN_STEPS) continue
      if (!(await pause())) return `${answer}]}`
      mark = matrix.steps.mark()
    }
  }
  return `${answer}]}`
}

/** What cannot be evaluated is denied, and says so (7.2.1). */
function faultText({ field, message }: Fault): string {
  const error = { status: 400, message: `${field} ${message}` }
  return JSON.stringify({ decision: false, context: { error } })
}
