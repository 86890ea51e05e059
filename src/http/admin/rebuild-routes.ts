import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { AuditTrail } from '../../domain/audit.ts'
import type { Rebuilds } from '../../domain/rebuild.ts'
import { callerOf } from '../access.ts'
import { problems } from '../schemas.ts'

export const RebuildSchema = Type.Object({
  id: Type.String(),
  state: Type.Enum(['running', 'succeeded', 'failed', 'refused'], {
    description: '`failed`: the platform could not be read; `refused`: a guard said no',
  }),
  requestedBy: Type.String({ description: 'Who asked: a name, `schedule` or `start`' }),
  allowShrink: Type.Boolean(),
  progress: Type.Object(
    { done: Type.Number(), total: Type.Number() },
    { description: 'Requests to the platform: sent, and known to be needed' },
  ),
  startedAt: Type.String(),
  finishedAt: Type.Optional(Type.String()),
  revision: Type.Optional(Type.Number({ description: 'Of the matrix that came of it' })),
  error: Type.Optional(Type.String()),
})

const Body = Type.Union([
  Type.Object(
    {
      allowShrink: Type.Optional(
        Type.Boolean({
          description: 'Take a matrix with far fewer users or grants for real',
        }),
      ),
    },
    // A misspelt member would be passed over, and the caller believe that it was heard.
    { additionalProperties: false },
  ),
  Type.Null({ description: 'An empty body will do' }),
])

export type RebuildRouteDeps = {
  readonly rebuilds: Rebuilds
  readonly audit: Pick<AuditTrail, 'append'>
}

/** `/admin/v1/rebuilds`: start one, follow it. */
export function rebuildRoutes({ rebuilds, audit }: RebuildRouteDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    app.post(
      '/admin/v1/rebuilds',
      {
        config: { scopes: ['admin:write'] },
        schema: {
          operationId: 'startRebuild',
          summary: 'Read the organisation again',
          description:
            'Answers 202 with the new rebuild, or 200 with the one that runs already: there is one at a time.',
          tags: ['matrix'],
          body: Body,
          response: {
            200: described('One runs already', RebuildSchema),
            202: described('Started; `Location` says where to follow it', RebuildSchema),
            ...problems(400, 401, 403, 409, 415, 429, 503),
          },
        },
      },
      async (request, reply) => {
        const allowShrink = request.body?.allowShrink === true
        const requestedBy = callerOf(request)
        // First the trail: nothing is started that cannot be recorded.
        await audit.append([
          {
            action: 'rebuild_requested',
            outcome: 'started',
            actor: requestedBy,
            requestId: request.id,
            userId: null,
            subjectId: null,
            before: null,
            after: null,
            details: { allowShrink },
          },
        ])
        const { rebuild, started } = rebuilds.start({ requestedBy, allowShrink })
        reply.header('location', `/admin/v1/rebuilds/${encodeURIComponent(rebuild.id)}`)
        return await reply.code(started ? 202 : 200).send(rebuild)
      },
    )
    app.get(
      '/admin/v1/rebuilds/:id',
      {
        schema: {
          operationId: 'getRebuild',
          summary: 'Follow a rebuild',
          description: 'One of the last rebuilds, running or ended.',
          tags: ['matrix'],
          params: Type.Object({ id: Type.String({ minLength: 1, maxLength: 128 }) }),
          response: { 200: RebuildSchema, ...problems(400, 401, 403, 404, 429, 503) },
        },
      },
      (request, reply) => {
        void reply.send(rebuilds.find(request.params.id))
      },
    )
    done()
  }
}

function described(description: string, schema: typeof RebuildSchema) {
  return Type.Object(schema.properties, { description })
}
