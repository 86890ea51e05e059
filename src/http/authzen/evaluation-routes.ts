import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { UNKNOWN_USER } from '../../domain/evaluate.ts'
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
} from './authzen-schemas.ts'
import { decideMany } from './decide-many.ts'
import { createDecisionWriter } from './decision-text.ts'
import type { Question } from './entities.ts'
import { readPlainBody } from './json-body.ts'
import { questionOf, readMany, readOne } from './read-questions.ts'
import type { Questions } from './read-questions.ts'
import { noteUnknown, resolveQuestion } from './resolve-question.ts'
import type { AuthzenRouteDeps } from './resolve-question.ts'

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
          const read = readPlainBody(request.raw, bodyLimit, (body) => {
            tryTo(() => answer.one(request, reply, readOne(body)), next)
          })
          if (!read) next()
        },
      },
      (request, reply) => answer.one(request, reply, questionOf(request.body)),
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
  const asked = readMany(bytes)
  if ('count' in asked) await answer.many(request, reply, asked, pause)
  else answer.one(request, reply, asked)
}

function tryTo(answer: () => void, failed: (error: Error) => void): void {
  try {
    answer()
  } catch (error) {
    failed(error as Error)
  }
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
    one(request: FastifyRequest, reply: FastifyReply, question: Question): void {
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
      asked: Questions,
      pause: Pause,
    ): Promise<void> {
      const matrix = matrices.current()
      requireRevision(request, matrix)
      const batch = { asked, age: ageOf(matrix), pause }
      const text = await decideMany(deps, decide, matrix, batch)
      write(request, reply, matrix, text)
      finish(request)
    },
  }
}
