import { Failure } from '../../domain/failure.ts'
import type { Fault } from '../../domain/failure.ts'
import { isObject } from '../../domain/json-shape.ts'
import type { JsonObject } from '../../domain/json-shape.ts'
import { MAX_EVALUATIONS, SEMANTICS } from './authzen-schemas.ts'
import {
  checkDefaults,
  failureOf,
  isFault,
  optionalObject,
  readQuestion,
  requireBody,
} from './entities.ts'
import type { Entities, Question } from './entities.ts'
import { readPlainQuestion, readPlainQuestions } from './plain-question.ts'
import { parseStrictJson } from './strict-json.ts'

type Semantic = (typeof SEMANTICS)[number]

/** The questions of one request. */
export type Questions = {
  readonly count: number
  readonly semantic: Semantic
  /** Those from one position up to another, each by itself a question or a fault. */
  readonly slice: (from: number, to: number) => readonly (Question | Fault)[]
}

/** The question of a body. Throws `invalid`. */
export function readOne(body: Buffer): Question {
  return readPlainQuestion(body) ?? questionOf(parseStrictJson(body))
}

/** The question of a body that has been parsed. Throws `invalid`. */
export function questionOf(body: unknown): Question {
  const question = readQuestion(requireBody(body) as Entities)
  if (isFault(question)) throw failureOf(question)
  return question
}

/**
 * The questions of a body. Without any of its own a request for many is a request for one (7.1):
 * that one then. Throws `invalid`.
 */
export function readMany(bytes: Buffer | undefined): Questions | Question {
  const plain = bytes && readPlainQuestions(bytes)
  if (plain) return questionsOf(plain, 'execute_all', (question) => question)
  const body = requireBody(bytes && parseStrictJson(bytes))
  if (isSingle(body)) return questionOf(body)
  const items = readItems(body)
  checkDefaults(body)
  return questionsOf(items, readSemantic(body), (item) => readItem(item, body))
}

function questionsOf<Item>(
  items: readonly Item[],
  semantic: Semantic,
  read: (item: Item) => Question | Fault,
): Questions {
  const slice = (from: number, to: number) => items.slice(from, to).map(read)
  return { count: items.length, semantic, slice }
}

function isSingle({ evaluations }: JsonObject): boolean {
  return evaluations === undefined || (Array.isArray(evaluations) && evaluations.length === 0)
}

function readItems({ evaluations }: JsonObject): readonly unknown[] {
  const field = 'evaluations'
  if (!Array.isArray(evaluations)) throw failureOf({ field, message: 'must be a list' })
  if (evaluations.length <= MAX_EVALUATIONS) return evaluations as unknown[]
  throw failureOf({ field, message: `must have at most ${MAX_EVALUATIONS} items` })
}

function readSemantic(body: JsonObject): Semantic {
  const semantic = optionalObject(body, 'options')?.['evaluations_semantic']
  if (semantic === undefined) return 'execute_all'
  const known = SEMANTICS.find((name) => name === semantic)
  if (known !== undefined) return known
  const field = 'options/evaluations_semantic'
  throw new Failure('invalid', `${field} must be one of ${SEMANTICS.join(', ')}`, { field })
}

/**
 * An item's entities replace the defaults as a whole; properties are never mixed. Only a type, id or
 * name that the item's own entity lacks is taken from the default of that entity, as the
 * certification scenario asks.
 */
function readItem(item: unknown, defaults: JsonObject): Question | Fault {
  if (!isObject(item)) return { field: 'evaluation', message: 'must be an object' }
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
