import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { evaluationRoute, evaluationsRoute } from './evaluation-routes.ts'
import { bodyBytes, jsonBody } from './json-body.ts'
import type { AuthzenRouteDeps } from './resolve-question.ts'
import { searchRoutes } from './search-routes.ts'

/** Room for one question with its properties. */
const BODY_LIMIT = 64 * 1024
/** Room for 10,000 of them. */
const BATCH_BODY_LIMIT = 8 * 1024 * 1024

/** `/access/v1/*`: the AuthZEN Authorization API 1.0, whose bodies have to be I-JSON. */
export function authzenRoutes(deps: AuthzenRouteDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    app.removeContentTypeParser('application/json')
    void app.register((single, _o, registered) => {
      single.addContentTypeParser('application/json', jsonBody(BODY_LIMIT))
      void single.register(evaluationRoute(deps, BODY_LIMIT))
      void single.register(searchRoutes(deps))
      registered()
    })
    void app.register((batch, _o, registered) => {
      batch.decorateRequest('heldBody', null)
      batch.addContentTypeParser('application/json', bodyBytes(BATCH_BODY_LIMIT))
      void batch.register(evaluationsRoute(deps))
      registered()
    })
    done()
  }
}
