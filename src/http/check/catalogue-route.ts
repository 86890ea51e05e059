import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Matrix } from '../../domain/matrix.ts'
import { readPermission } from '../../domain/role-records.ts'
import type { KnownPermission } from '../../domain/role-records.ts'
import type { ServedMatrices } from '../../domain/served.ts'
import { nextPage, startPage } from '../listing-page.ts'
import { Cursor, Limit, pageOf, problems, SearchText } from '../schemas.ts'
import { nameMatrix, requireRevision } from './matrix-answer.ts'

const PermissionSchema = Type.Object({
  permission: Type.String({ examples: ['routing:queue:view'] }),
  label: Type.String(),
  divisionAware: Type.Boolean({ description: 'False: it holds in the whole organisation' }),
  allowsConditions: Type.Boolean(),
  flat: Type.Boolean({ description: 'True for names that stand outside the catalogue' }),
})

/** `GET /api/v1/permissions`: everything that can be asked for. */
export function catalogueRoute(deps: {
  readonly matrices: ServedMatrices
}): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    app.get(
      '/api/v1/permissions',
      {
        schema: {
          operationId: 'listPermissions',
          summary: 'Every permission that can be asked for',
          description:
            'The catalogue, and the flat permissions that roles carry, in order of name. `q` finds parts of names and labels.',
          tags: ['listings'],
          querystring: Type.Object({
            q: Type.Optional(SearchText),
            limit: Type.Optional(Limit),
            cursor: Type.Optional(Cursor),
          }),
          response: {
            200: pageOf(PermissionSchema),
            ...problems(400, 401, 403, 410, 429, 503),
          },
        },
      },
      (request, reply) => {
        const wanted = (request.query.q ?? '').toLowerCase()
        const question = ['permissions', wanted]
        const { matrix, newest, from, limit } = startPage(deps.matrices, request.query, question)
        requireRevision(request, matrix, newest)
        const { items, next } = findPermissions(matrix, wanted, from, limit)
        nameMatrix(reply, deps.matrices, matrix)
        void reply.send({
          items: items.map(({ code, ...permission }) => ({ permission: code, ...permission })),
          ...nextPage(deps.matrices, matrix, next, question),
        })
      },
    )
    done()
  }
}

function findPermissions(
  matrix: Matrix,
  wanted: string,
  from: number,
  limit: number,
): { items: KnownPermission[]; next: number | undefined } {
  const items: KnownPermission[] = []
  for (let index = from; index < matrix.permissionCount; index++) {
    const permission = readPermission(matrix, index)
    const text = `${permission.code}\n${permission.label}`.toLowerCase()
    if (!text.includes(wanted)) continue
    if (items.length === limit) return { items, next: index }
    items.push(permission)
  }
  return { items, next: undefined }
}
