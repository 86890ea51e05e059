import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { Failure } from '../domain/failure.ts'
import type { ServedMatrices } from '../domain/served.ts'
import { problems, RevisionNumber } from './schemas.ts'

const OPEN: readonly Record<string, readonly string[]>[] = []

/** `GET /health/live`: the process runs. Open to all. */
export function liveRoute(): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    app.get(
      '/health/live',
      {
        schema: {
          operationId: 'live',
          summary: 'The process runs',
          description: 'Open to all. Says nothing about whether checks can be answered.',
          tags: ['health'],
          security: OPEN,
          response: { 200: Type.Object({ status: Type.Literal('live') }), ...problems() },
        },
      },
      (_request, reply) => {
        void reply.send({ status: 'live' })
      },
    )
    done()
  }
}

/** What checks are answered while they would come too late. */
export function tooLate(): Failure {
  const message = 'answers would come too late just now'
  return new Failure('overloaded', message, { retryAfterSeconds: 1 })
}

export type ReadyRouteDeps = {
  readonly matrices: ServedMatrices
  readonly draining: () => boolean
  /** True while checks are turned away for want of time; of planes that answer checks. */
  readonly overloaded?: () => boolean
}

/** `GET /health/ready`: checks would be answered. Open to all. */
export function readyRoute(deps: ReadyRouteDeps): FastifyPluginCallbackTypebox {
  const { matrices, draining, overloaded } = deps
  return (app, _options, done) => {
    app.get(
      '/health/ready',
      {
        schema: {
          operationId: 'ready',
          summary: 'Checks would be answered',
          description: 'Open to all. 503 when checks would be refused, and while shutting down.',
          tags: ['health'],
          security: OPEN,
          response: {
            200: Type.Object({
              status: Type.Literal('ready'),
              revision: RevisionNumber,
              ageSeconds: Type.Integer(),
              takenAt: Type.String({ description: 'When reading of the facts began' }),
            }),
            ...problems(503),
          },
        },
      },
      (_request, reply) => {
        if (draining()) throw new Failure('not-ready', 'the service is shutting down')
        if (overloaded?.() === true) throw tooLate()
        const matrix = matrices.current()
        void reply.send({
          status: 'ready',
          revision: matrix.revision,
          ageSeconds: Math.max(0, Math.floor(matrices.ageSeconds(matrix))),
          takenAt: new Date(matrix.takenAt).toISOString(),
        })
      },
    )
    done()
  }
}
