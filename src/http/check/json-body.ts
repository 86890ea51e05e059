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
      const value = SUSPECT.some((part) => body.includes(part)) ? undefined : parsed(body)
      // What is no JSON is refused in Fastify's words. Nothing of the request runs inside a `catch`.
      if (value === undefined) void careful(request, body, done)
      else done(null, value)
    },
  )
}

/** Undefined for what is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
