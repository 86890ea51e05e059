import { ALLOWED, UNKNOWN_USER } from '../../domain/evaluate.ts'
import type { Fault } from '../../domain/failure.ts'
import { findRecords } from '../../domain/find-records.ts'
import type { Matrix } from '../../domain/matrix.ts'
import type { Pause } from '../long-work.ts'
import { MAX_EXPLANATION_UNITS } from './authzen-schemas.ts'
import type { SEMANTICS } from './authzen-schemas.ts'
import type { DecisionWriter } from './decision-text.ts'
import { isFault, isObject, readQuestion } from './entities.ts'
import type { Fields } from './entities.ts'
import { noteUnknown, resolveQuestion } from './resolve-question.ts'
import type { AuthzenRouteDeps } from './resolve-question.ts'

export type Semantic = (typeof SEMANTICS)[number]

export type Batch = {
  readonly items: readonly unknown[]
  /** The entities of the request itself. */
  readonly defaults: Fields
  readonly semantic: Semantic
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
  { items, defaults, semantic, age, pause }: Batch,
): Promise<string> {
  const room = { units: MAX_EXPLANATION_UNITS }
  let answer = '{"evaluations":['
  let comma = ''
  let mark = matrix.steps.mark()
  for (let from = 0; from < items.length; from += CHUNK) {
    const { questions, records } = readChunk(matrix, items.slice(from, from + CHUNK), defaults)
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
      if (semantic === (allowed ? 'permit_on_first_permit' : 'deny_on_first_deny')) {
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

function readChunk(matrix: Matrix, items: readonly unknown[], defaults: Fields) {
  const questions = items.map((item) => (isObject(item) ? readItem(item, defaults) : NO_OBJECT))
  const records = findRecords(
    matrix,
    questions.map((question) => (isFault(question) ? '' : question.subjectId)),
  )
  return { questions, records }
}

const NO_OBJECT: Fault = { field: 'evaluation', message: 'must be an object' }

/**
 * An item's entities replace the defaults as a whole; properties are never mixed. Only a type, id or
 * name that the item's own entity lacks is taken from the default of that entity, as the
 * certification scenario asks.
 */
function readItem(item: Fields, defaults: Fields): ReturnType<typeof readQuestion> {
  const { subject, action, resource, context } = item
  return readQuestion(
    {
      subject: subject === undefined ? defaults['subject'] : subject,
      action: action === undefined ? defaults['action'] : action,
      resource: resource === undefined ? defaults['resource'] : resource,
      context: context === undefined ? defaults['context'] : context,
    },
    defaults,
  )
}

/** What cannot be evaluated is denied, and says so (7.2.1). */
function faultText({ field, message }: Fault): string {
  const error = { status: 400, message: `${field} ${message}` }
  return JSON.stringify({ decision: false, context: { error } })
}
