import type { FastifyInstance } from 'fastify'
import { Failure } from '../../domain/failure.ts'

const READING: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])
/** A client that is no browser, a page of our own, or a person who typed the address. */
const OWN: ReadonlySet<unknown> = new Set([undefined, 'same-origin', 'none'])

/**
 * Refuses what a page of another site makes a browser send, but for reading, whose answer the page
 * never sees: a browser that remembers Basic credentials sends them along. Browsers say where a
 * request comes from (`Sec-Fetch-Site`) and no page can change that; other clients say nothing.
 */
export function refuseCrossSite(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const site = request.headers['sec-fetch-site']
    if (OWN.has(site) || READING.has(request.method)) {
      done()
      return
    }
    done(new Failure('forbidden', 'pages of other sites may not change anything here'))
  })
}
