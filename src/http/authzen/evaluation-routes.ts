import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { UNKNOWN_USER } from '../../domain/evaluate.ts'
import { Failure } from '../../domain/failure.ts'
import type { Pause } from '../long-work.ts'
import { createAgeClock, createAnswerWriter, requireRevision } from '../check/matrix-answer.ts'
import {
  DecisionSchema,
  errors,
  EvaluationRequest,
  EvaluationsAnswer,
  EvaluationsRequest,
  MAX_EVALUATIONS,
  MAX_EXPLANATION_UNITS,
  SEMANTICS,
} from './authzen-schemas.ts'
import { decideMany } from './decide-many.ts'
import type { Semantic } from './decide-many.ts'
import { createDecisionWriter } from './decision-text.ts'
import {
  checkDefaults,
  failureOf,
  isFault,
  optionalObject,
  readQuestion,
  requireBody,
} from './entities.ts'
import type { Entities, Fields } from './entities.ts'
import { readPlainBody } from './json-body.ts'
import { noteUnknown, resolveQuestion } from './resolve-question.ts'
import type { AuthzenRouteDeps } from './resolve-question.ts'
import { parseStrictJson } from './strict-json.ts'

/** Read and begun at once: such a body's questions are decided within a slice as a rule. */
const SMALL_BODY = 8 * 1024

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
          description: `Up to ${MAX_EVALUATIONS} questions, all answered from one matrix, in their order. Top-level entities are defaults. Paths and missing names have ${MAX_EXPLANATION_UNITS} characters of room in all: what comes after that is decided all the same, and \`truncated\`. Without \`evaluations\` it answers as a single evaluation does.`,
          tags: ['authzen'],
          body: EvaluationsRequest,
          response: { 200: EvaluationsAnswer, ...errors(400, 401, 403, 413, 429, 503) },
        },
        // After the plane's own: whoever comes here may ask.
        onRequest: (request, reply, next) => {
          const announced = Number(request.raw.headers['content-length'])
          try {
            deps.unread.requireRoom(request)
            request.heldBody = deps.bodies.hold(reply.raw, announced)
          } catch (error) {
            next(error as Error)
            return
          }
          next()
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
      async (request, reply) => {
        try {
          await deps.longWork.run(reply.raw, (pause) => inTurn(deps, answer, request, reply, pause))
        } finally {
          request.heldBody?.release()
        }
      },
    )
    done()
  }
}

/** Answers once it is the request's turn, and never for those who have gone away until then. */
async function inTurn(
  { unread }: AuthzenRouteDeps,
  answer: ReturnType<typeof createEvaluator>,
  request: FastifyRequest,
  reply: FastifyReply,
  pause: Pause,
): Promise<void> {
  const bytes = request.body as Buffer | undefined
  if (bytes !== undefined && bytes.length > SMALL_BODY && !(await pause())) {
    reply.hijack()
    return
  }
  unread.requireRoom(request)
  const body = requireBody(bytes && parseStrictJson(bytes))
  if (isSingle(body)) answer.one(request, reply, body)
  else await answer.many(request, reply, body, pause)
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
  const write = createAnswerWriter(deps, ageOf)
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
    async many(
      request: FastifyRequest,
      reply: FastifyReply,
      body: Fields,
      pause: Pause,
    ): Promise<void> {
      const items = readItems(body)
      checkDefaults(body)
      const semantic = readSemantic(body)
      const matrix = matrices.current()
      requireRevision(request, matrix)
      const batch = { items, defaults: body, semantic, age: ageOf(matrix), pause }
      const text = await decideMany(deps, decide, matrix, batch)
      write(request, reply, matrix, text)
      finish(request)
    },
  }
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
