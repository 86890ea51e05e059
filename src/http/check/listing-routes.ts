import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { TSchema } from 'typebox'
import { Failure } from '../../domain/failure.ts'
import { listHolders, listPermissions } from '../../domain/listing.ts'
import type { HeldPermission, Holder, Page, PageRequest } from '../../domain/listing.ts'
import type { Matrix } from '../../domain/matrix.ts'
import { nearestName } from '../../domain/permission.ts'
import { nextPage, startPage } from '../listing-page.ts'
import type { LongWork, Pause } from '../long-work.ts'
import {
  Cursor,
  DivisionId,
  GrantPath,
  Limit,
  NextCursor,
  PermissionCode,
  problems,
  RevisionNumber,
  UserId,
} from '../schemas.ts'
import type { CheckRouteDeps } from './check-route.ts'
import { nameMatrix, requireRevision } from './matrix-answer.ts'

export type ListingRouteDeps = Pick<CheckRouteDeps, 'matrices' | 'unknownUsers'> & {
  readonly longWork: LongWork
}

const Query = Type.Object({
  divisionId: Type.Optional(DivisionId),
  limit: Type.Optional(Limit),
  cursor: Type.Optional(Cursor),
})

const Conditional = Type.Boolean({
  description: 'True when it holds only under a condition: a check without attributes denies it',
})

const HeldPermissionSchema = Type.Object({
  permission: Type.String(),
  label: Type.String(),
  divisionAware: Type.Boolean(),
  conditional: Conditional,
  sources: Type.Array(GrantPath, { description: 'Where it comes from; at most 20' }),
})

const HolderSchema = Type.Object({
  id: Type.String(),
  kind: Type.Enum(['user', 'client']),
  name: Type.String(),
  email: Type.String(),
  state: Type.Enum(['active', 'inactive', 'deleted']),
  conditional: Conditional,
  sources: Type.Array(GrantPath, { description: 'How they come by it; at most 20' }),
})

/** What a user may do, and who may do something. */
export function listingRoutes(deps: ListingRouteDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    void app.register(userPermissions(deps))
    void app.register(permissionUsers(deps))
    done()
  }
}

/** `GET /api/v1/users/{userId}/permissions` */
function userPermissions(deps: ListingRouteDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    app.get(
      '/api/v1/users/:userId/permissions',
      {
        schema: {
          operationId: 'listUserPermissions',
          summary: 'What a user may do',
          description:
            'Exactly what a check would allow, with sources; what holds only under a condition is flagged. Pages stay on the revision of the first one.',
          tags: ['listings'],
          params: Type.Object({ userId: UserId }),
          querystring: Query,
          response: {
            200: withRevision<HeldPermission>(HeldPermissionSchema),
            ...problems(400, 401, 403, 404, 410, 429, 503),
          },
        },
      },
      (request, reply) => {
        const { userId } = request.params
        const { divisionId } = request.query
        const question = ['user-permissions', userId, divisionId]
        const { matrix, newest, from, limit } = startPage(deps.matrices, request.query, question)
        requireRevision(request, matrix, newest)
        const subject = matrix.findSubject(userId)
        if (subject < 0) {
          deps.unknownUsers.note(userId)
          throw new Failure('not-found', 'there is no user or client of this id', {
            field: 'userId',
          })
        }
        const page = listPermissions(matrix, subject, { from, limit, divisionId })
        nameMatrix(reply, deps.matrices, matrix)
        const { revision } = matrix
        void reply.send({
          revision,
          items: page.items,
          ...nextPage(deps.matrices, matrix, page.next, question),
        })
      },
    )
    done()
  }
}

/** `GET /api/v1/permissions/{permission}/users` */
function permissionUsers(deps: ListingRouteDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    app.get(
      '/api/v1/permissions/:permission/users',
      {
        schema: {
          operationId: 'listPermissionUsers',
          summary: 'Who may do this',
          description:
            'Users and OAuth clients that a check would allow, with sources, in an order that is the same on every page of a revision. Pages stay on the revision of the first one.',
          tags: ['listings'],
          params: Type.Object({ permission: PermissionCode }),
          querystring: Query,
          response: {
            200: withRevision<Holder>(HolderSchema),
            ...problems(400, 401, 403, 404, 410, 429, 503),
          },
        },
      },
      async (request, reply) => {
        const { permission: code } = request.params
        const { divisionId } = request.query
        const question = ['permission-users', code, divisionId]
        const { matrix, newest, from, limit } = startPage(deps.matrices, request.query, question)
        requireRevision(request, matrix, newest)
        const permission = matrix.findPermission(code)
        if (permission < 0) throw unknownPermission(matrix, code)
        const asked = { from, limit, divisionId }
        const { items, next } = await deps.longWork.run(reply.raw, (pause) =>
          collectHolders(matrix, permission, asked, pause),
        )
        nameMatrix(reply, deps.matrices, matrix)
        return {
          revision: matrix.revision,
          items,
          ...nextPage(deps.matrices, matrix, next, question),
        }
      },
    )
    done()
  }
}

/** A full page, or the last one, in slices between which checks on the same thread get their turn. */
async function collectHolders(
  matrix: Matrix,
  permission: number,
  asked: PageRequest,
  pause: Pause,
): Promise<Page<Holder>> {
  const items: Holder[] = []
  let { from } = asked
  for (;;) {
    const limit = asked.limit - items.length
    const slice = listHolders(matrix, permission, { ...asked, from, limit })
    items.push(...slice.items)
    if (slice.next === undefined || items.length >= asked.limit) return { items, next: slice.next }
    from = slice.next
    if (!(await pause())) return { items, next: from }
  }
}

function unknownPermission(matrix: Matrix, code: string): Failure {
  const nearest = nearestName(code, matrix.permissionCodes())
  const hint = nearest === undefined ? '' : `; the nearest known one is ${nearest}`
  return new Failure('not-found', `there is no such permission${hint}`, { field: 'permission' })
}

function withRevision<Item>(item: TSchema) {
  return Type.Object({
    revision: RevisionNumber,
    items: Type.Unsafe<readonly Item[]>(Type.Array(item)),
    nextCursor: NextCursor,
  })
}
