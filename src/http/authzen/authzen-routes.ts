import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { evaluationRoutes } from './evaluation-routes.ts'
import type { AuthzenRouteDeps } from './resolve-question.ts'
import { searchRoutes } from './search-routes.ts'
import { parseStrictJson } from './strict-json.ts'

/** `/access/v1/*`: the AuthZEN Authorization API 1.0, whose bodies have to be I-JSON. */
export function authzenRoutes(deps: AuthzenRouteDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    app.removeContentTypeParser('application/json')
    app.addContentTypeParser(
      'application/json',
      { parseAs: 'buffer' },
      (_request, body, parsed) => {
        let value: unknown
        try {
          value = parseStrictJson(body as Buffer)
        } catch (error) {
          parsed(error as Error)
          return
        }
        // Outside of the try: the rest of the request runs in here.
        parsed(null, value)
      },
    )
    void app.register(evaluationRoutes(deps))
    void app.register(searchRoutes(deps))
    done()
  }
}
