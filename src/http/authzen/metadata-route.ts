import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { Failure } from '../../domain/failure.ts'
import { problems } from '../schemas.ts'
import { MetadataSchema } from './authzen-schemas.ts'
import { WELL_KNOWN } from './metadata.ts'
import type { Metadata } from './metadata.ts'

const OPEN: readonly Record<string, readonly string[]>[] = []
/** For as long may be held what changes only with the configuration. */
const CACHING = 'public, max-age=300'

/**
 * `GET /.well-known/authzen-configuration` (Authorization API 1.0, 9), and where the public URL has a
 * path, below that. Open to all: whoever asks does not know yet where to authenticate.
 */
export function metadataRoute(metadata: Metadata | undefined): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    const paths = new Set([WELL_KNOWN, metadata?.path ?? WELL_KNOWN])
    for (const path of paths) {
      app.get(
        // What stands after a colon would be a parameter.
        path.replaceAll(':', '::'),
        {
          schema: {
            // Described once, where everybody looks first.
            hide: path !== WELL_KNOWN,
            operationId: 'authzenConfiguration',
            summary: 'AuthZEN: where the decision point is',
            description:
              'Open to all. 404 unless `PUBLIC_URL` is an https URL; every address in it begins with that.',
            tags: ['authzen'],
            security: OPEN,
            response: { 200: MetadataSchema, ...problems(404) },
          },
          // After the hooks of the plane, which forbid to cache.
          onSend: (_request, reply, _payload, sent) => {
            if (reply.statusCode === 200) reply.header('cache-control', CACHING)
            sent()
          },
        },
        (_request, reply) => {
          if (metadata?.path !== path) {
            throw new Failure('not-found', 'there is no decision point with this public URL')
          }
          void reply.send(metadata.parameters)
        },
      )
    }
    done()
  }
}
