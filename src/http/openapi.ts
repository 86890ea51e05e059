import { fastifySwagger } from '@fastify/swagger'
import type { FastifyInstance, FastifySchema } from 'fastify'
import type { TSchema } from 'typebox'
import { MinimumRevision } from './schemas.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The query of a route that checks it by hand. */
    documentedQuery?: TSchema
  }
}

/** Where the admin plane passes requests on to the check plane, for the page at `/docs`. */
export const TRY_PREFIX = '/try'

export type PlaneDescription = {
  readonly title: string
  readonly description: string
  readonly tags: readonly { readonly name: string; readonly description: string }[]
  readonly schemes: readonly ('bearer' | 'basic')[]
  readonly servers?: readonly { readonly url: string; readonly description: string }[]
}

/**
 * Describes a plane as OpenAPI 3.1 from its routes' schemas, so it must come before them. The
 * document depends on nothing but the code: a test holds it against the published file.
 */
export function describePlane(app: FastifyInstance, plane: PlaneDescription): void {
  const schemes = {
    bearer: {
      type: 'http' as const,
      scheme: 'bearer',
      description: 'A key, or an access token of the configured issuer',
    },
    basic: {
      type: 'http' as const,
      scheme: 'basic',
      description: 'Any user name, and a key as the password: for people with a browser',
    },
  }
  void app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: plane.title, description: plane.description, version: '1' },
      ...(plane.servers && { servers: plane.servers.map((server) => ({ ...server })) }),
      tags: plane.tags.map((tag) => ({ ...tag })),
      components: {
        securitySchemes: Object.fromEntries(plane.schemes.map((name) => [name, schemes[name]])),
      },
      security: plane.schemes.map((name) => ({ [name]: [] })),
    },
    refResolver: {
      buildLocalReference: (json, _base, _fragment, index) => {
        const { $id } = json as { $id?: string }
        return $id ?? `def-${index}`
      },
    },
    transform: ({ schema, url, route }) => {
      const { documentedQuery } = route.config ?? {}
      const documented = withRevisionHeader(schema)
      return {
        schema: documentedQuery ? { ...documented, querystring: documentedQuery } : documented,
        url,
      }
    },
  })
}

const MATRIX_TAGS = new Set(['checks', 'listings', 'authzen'])

/** Documented here and checked by hand: validating headers on every check would be felt. */
function withRevisionHeader(schema: FastifySchema | undefined): FastifySchema {
  const documented = schema ?? {}
  const answersFromMatrix = documented.tags?.some((tag) => MATRIX_TAGS.has(tag))
  return answersFromMatrix ? { ...documented, headers: MinimumRevision } : documented
}
