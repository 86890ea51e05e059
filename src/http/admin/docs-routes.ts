import { fastifySwaggerUi } from '@fastify/swagger-ui'
import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Scope } from '../../domain/principal.ts'
import { problems } from '../schemas.ts'

/** Any of these may read what the service says of itself; also what routes need that name none. */
export const READ_SCOPES: readonly Scope[] = ['admin:read', 'metrics']

/** `/openapi.json`, `/openapi-check.json` and, for people, `/docs` with both. */
export function docsRoutes(checkDocument: () => unknown): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    const documents = {
      '/openapi.json': { of: 'the admin plane', id: 'getAdminOpenapi', read: () => app.swagger() },
      '/openapi-check.json': { of: 'the check plane', id: 'getCheckOpenapi', read: checkDocument },
    }
    for (const [url, { of, id, read }] of Object.entries(documents)) {
      app.get(
        url,
        {
          config: { scopes: READ_SCOPES },
          schema: {
            operationId: id,
            summary: `OpenAPI 3.1 description of ${of}`,
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
        (_request, reply) => {
          void reply.send(read())
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
