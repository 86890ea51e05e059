import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Metrics } from '../../observability/metrics.ts'
import { problems } from '../schemas.ts'

/** `GET /metrics`: for Prometheus. */
export function metricsRoute(registry: Metrics['registry']): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    app.get(
      '/metrics',
      {
        config: { scopes: ['metrics', 'admin:read'] },
        schema: {
          operationId: 'getMetrics',
          summary: 'What Prometheus scrapes',
          description: 'Text exposition format. The scope `metrics` will do.',
          tags: ['service'],
          response: {
            200: {
              description: 'Metrics as text',
              content: { 'text/plain': { schema: Type.String() } },
            },
            ...problems(401, 403, 429, 503),
          },
        },
      },
      async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()),
    )
    done()
  }
}
