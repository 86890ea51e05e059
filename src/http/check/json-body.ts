import type { FastifyInstance } from 'fastify'

/**
 * What Fastify's own parser looks for, twice through the whole text by regular expression: a tenth of
 * what a batch of a thousand costs. Where none of these is in the text, no member can have a name of
 * the prototype, however written.
 */
const SUSPECT = ['__proto__', 'constructor', '\\']

/**
 * Makes an app take JSON bodies as Fastify does, its refusals included, but parse at once what cannot
 * have a name of the prototype in it.
 */
export function takeJson(
  app: Pick<FastifyInstance, 'addContentTypeParser' | 'getDefaultJsonParser'>,
) {
  const careful = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser<string>(
    'application/json',
    { parseAs: 'string' },
    (request, body, done) => {
      if (!SUSPECT.some((part) => body.includes(part))) {
        try {
          done(null, JSON.parse(body))
          return
        } catch {
          // Refused below, in Fastify's words.
        }
      }
      void careful(request, body, done)
    },
  )
}
