import { fastifySwaggerUi } from '@fastify/swagger-ui'
import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { Scope } from '../../domain/principal.ts'
import { problems } from '../schemas.ts'

/** Any of these may read what the service says of itself; also what routes need that name none. */
export const READ_SCOPES: readonly Scope[] = ['admin:read', 'metrics']

/** `/openapi.json`, `/openapi-check.json` and, for people, `/docs` with both. */
export function docsRoutes(
  checkApp: Pick<FastifyInstance, 'swagger' | 'ready'>,
): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    const documents = {
      '/openapi.json': { plane: 'the admin plane', id: 'getAdminOpenapi', served: app },
      '/openapi-check.json': { plane: 'the check plane', id: 'getCheckOpenapi', served: checkApp },
    }
    for (const [url, { plane, id, served }] of Object.entries(documents)) {
      app.get(
        url,
        {
          config: { scopes: READ_SCOPES },
          schema: {
            operationId: id,
            summary: `OpenAPI 3.1 description of ${plane}`,
            description: 'What `/docs` shows. The scope `metrics` will do.',
            tags: ['service'],
            response: {
              200: {
                description: 'An OpenAPI document',
                content: { 'application/json': { schema: Type.Unknown() } },
              },
              ...problems(401, 403, 429, 503),
            },
          },
        },
        async () => {
          // This plane is ready when it answers; the other may only be about to be.
          if (served !== app) await checkApp.ready()
          return served.swagger()
        },
      )
    }
    void app.register(fastifySwaggerUi, {
      routePrefix: '/docs',
      uiConfig: {
        urls: [
          { url: '/openapi-check.json', name: 'check plane' },
          { url: '/openapi.json', name: 'admin plane' },
        ],
        validatorUrl: null,
      },
    })
    done()
  }
}
