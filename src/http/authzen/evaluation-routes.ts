import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ALLOWED, UNKNOWN_USER } from '../../domain/evaluate.ts'
import { Failure } from '../../domain/failure.ts'
import type { Fault } from '../../domain/failure.ts'
import { findRecords } from '../../domain/find-records.ts'
import type { Matrix } from '../../domain/matrix.ts'
import { createAgeClock, createAnswerWriter, requireRevision } from '../check/matrix-answer.ts'
import {
  DecisionSchema,
  errors,
  EvaluationRequest,
  EvaluationsAnswer,
  EvaluationsRequest,
  MAX_EVALUATIONS,
  SEMANTICS,
} from './authzen-schemas.ts'
import { createDecisionWriter } from './decision-text.ts'
import type { DecisionWriter } from './decision-text.ts'
import {
  checkDefaults,
  failureOf,
  isFault,
  isObject,
  optionalObject,
  readQuestion,
  requireBody,
} from './entities.ts'
import type { Entities, Fields } from './entities.ts'
import { readPlainBody } from './json-body.ts'
import { noteUnknown, resolveQuestion } from './resolve-question.ts'
import type { AuthzenRouteDeps } from './resolve-question.ts'

type Semantic = (typeof SEMANTICS)[number]

/** `POST /access/v1/evaluation`: one decision (Authorization API 1.0, 6). */
export function evaluationRoute(
  deps: AuthzenRouteDeps,
  bodyLimit: number,
): FastifyPluginCallbackTypebox {
  const answer = createEvaluator(deps)
  return (app, _options, done) => {
    app.post(
      '/access/v1/evaluation',
      {
        schema: {
          operationId: 'accessEvaluation',
          summary: 'AuthZEN: one decision',
          description:
            'May this subject do this action on this resource? Denied is an answer with status 200.',
          tags: ['authzen'],
          body: EvaluationRequest,
          response: { 200: DecisionSchema, ...errors(400, 401, 403, 413, 429, 503) },
        },
        // The schema is what is published; `readQuestion` holds requests to it, faster.
        validatorCompiler: () => () => true,
        // After the plane's own: whoever comes here may ask.
        onRequest: (request, reply, next) => {
          const read = readPlainBody(request.raw, bodyLimit, (error, body) => {
            if (error) next(error)
            else tryTo(() => answer.one(request, reply, requireBody(body)), next)
          })
          if (!read) next()
        },
      },
      (request, reply) => answer.one(request, reply, requireBody(request.body)),
    )
    done()
  }
}

/** `POST /access/v1/evaluations`: up to 10,000 decisions from one matrix (Authorization API 1.0, 7). */
export function evaluationsRoute(deps: AuthzenRouteDeps): FastifyPluginCallbackTypebox {
  const answer = createEvaluator(deps)
  return (app, _options, done) => {
    app.post(
      '/access/v1/evaluations',
      {
        schema: {
          operationId: 'accessEvaluations',
          summary: 'AuthZEN: many decisions',
          description: `Up to ${MAX_EVALUATIONS} questions, all answered from one matrix, in their order. Top-level entities are defaults. Without \`evaluations\` it answers as a single evaluation does.`,
          tags: ['authzen'],
          body: EvaluationsRequest,
          response: { 200: EvaluationsAnswer, ...errors(400, 401, 403, 413, 429, 503) },
        },
        // What the service takes for a batch does not begin before the caller has sent all of it.
        preParsing: (request, _reply, payload, parse) => {
          payload.once('end', () => {
            request.arrivedAt = performance.now()
          })
          parse(null, payload)
        },
        validatorCompiler: () => () => true,
      },
      (request, reply) => {
        const body = requireBody(request.body)
        if (isSingle(body)) answer.one(request, reply, body)
        else answer.many(request, reply, body)
      },
    )
    done()
  }
}

function tryTo(answer: () => void, failed: (error: Error) => void): void {
  try {
    answer()
  } catch (error) {
    failed(error as Error)
  }
}

/** Without questions of its own a request for many is a request for one (7.1). */
function isSingle({ evaluations }: Fields): boolean {
  return evaluations === undefined || (Array.isArray(evaluations) && evaluations.length === 0)
}

function createEvaluator(deps: AuthzenRouteDeps) {
  const { matrices, metrics, resourceTypes } = deps
  const ageOf = createAgeClock(matrices)
  const write = createAnswerWriter(matrices, ageOf)
  const decide = createDecisionWriter()
  const finish = (request: FastifyRequest): void => {
    metrics.answered('check', 200)
    metrics.checkTook((performance.now() - request.arrivedAt) / 1000)
  }
  return {
    one(request: FastifyRequest, reply: FastifyReply, body: Fields): void {
      const question = readQuestion(body as Entities)
      if (isFault(question)) throw failureOf(question)
      const matrix = matrices.current()
      requireRevision(request, matrix)
      const resolved = resolveQuestion(matrix, resourceTypes, question)
      const { outcome, text } = decide(matrix, resolved, question, ageOf(matrix))
      write(request, reply, matrix, text)
      if (outcome === UNKNOWN_USER) noteUnknown(deps, matrix, question)
      metrics.decided(outcome)
      finish(request)
    },
    many(request: FastifyRequest, reply: FastifyReply, body: Fields): void {
      const items = readItems(body)
      checkDefaults(body)
      const semantic = readSemantic(body)
      const matrix = matrices.current()
      requireRevision(request, matrix)
      const text = decideMany(deps, decide, matrix, {
        ...{ items, defaults: body, semantic },
        age: ageOf(matrix),
      })
      write(request, reply, matrix, text)
      finish(request)
    },
  }
}

type Batch = {
  readonly items: readonly unknown[]
  /** The entities of the request itself. */
  readonly defaults: Fields
  readonly semantic: Semantic
  /** Of the matrix, in seconds. */
  readonly age: number
}

/** Decisions in the order of the questions, up to the one that the semantic ends with. */
function decideMany(
  deps: AuthzenRouteDeps,
  decide: DecisionWriter,
  matrix: Matrix,
  { items, defaults, semantic, age }: Batch,
): string {
  const questions = items.map((item) => (isObject(item) ? readItem(item, defaults) : NO_OBJECT))
  const records = findRecords(
    matrix,
    questions.map((question) => (isFault(question) ? '' : question.subjectId)),
  )
  let decisions = ''
  for (let i = 0; i < questions.length; i++) {
    const question = questions[i] as (typeof questions)[number]
    let allowed = false
    if (isFault(question)) decisions += `,${faultText(question)}`
    else {
      const record = records[i] as number
      const resolved = resolveQuestion(matrix, deps.resourceTypes, question, record)
      const { outcome, text } = decide(matrix, resolved, question, age)
      if (outcome === UNKNOWN_USER) noteUnknown(deps, matrix, question)
      deps.metrics.decided(outcome)
      decisions += `,${text}`
      allowed = outcome === ALLOWED
    }
    if (semantic === (allowed ? 'permit_on_first_permit' : 'deny_on_first_deny')) break
  }
  return `{"evaluations":[${decisions.slice(1)}]}`
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

function readItems({ evaluations }: Fields): readonly unknown[] {
  const field = 'evaluations'
  if (!Array.isArray(evaluations)) throw failureOf({ field, message: 'must be a list' })
  if (evaluations.length <= MAX_EVALUATIONS) return evaluations as unknown[]
  throw failureOf({ field, message: `must have at most ${MAX_EVALUATIONS} items` })
}

function readSemantic(body: Fields): Semantic {
  const semantic = optionalObject(body, 'options')?.['evaluations_semantic']
  if (semantic === undefined) return 'execute_all'
  const known = SEMANTICS.find((name) => name === semantic)
  if (known !== undefined) return known
  const field = 'options/evaluations_semantic'
  throw new Failure('invalid', `${field} must be one of ${SEMANTICS.join(', ')}`, { field })
}
