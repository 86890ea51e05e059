import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { AuditAction, NewAuditEntry } from '../../domain/audit.ts'
import type { RoleChangeStore } from '../../domain/role-change-store.ts'
import { BATCH_STATES, ITEM_STATES } from '../../domain/role-change.ts'
import type { RoleChangeBatch } from '../../domain/role-change.ts'
import type { ServedMatrices } from '../../domain/served.ts'
import { callerOf } from '../access.ts'
import { readCursor, writeCursor } from '../cursor.ts'
import { JSON_TYPE } from '../json-text.ts'
import { Cursor, DEFAULT_LIMIT, Limit, NextCursor, pageOf, problems } from '../schemas.ts'
import { acceptRoute } from './accept-route.ts'
import type { AcceptRouteDeps } from './accept-route.ts'
import { BATCH_MEMBERS, describeBatch, describeItem, ItemSchema } from './batch-answer.ts'
import type { BatchAnswer, ItemAnswer } from './batch-answer.ts'
import { fillPage } from './bounded-page.ts'
import { UserName } from './change-schemas.ts'
import { findUserId } from './find-user.ts'
import { servedNames } from '../../domain/organization-names.ts'
import { simulationRoute } from './simulation-route.ts'
import { createSimulations } from './simulations.ts'
import type { SimulationDeps } from './simulations.ts'

export type RoleChangeRouteDeps = AcceptRouteDeps &
  SimulationDeps & {
    readonly matrices: ServedMatrices
    readonly roleChanges: Pick<
      RoleChangeStore,
      'find' | 'list' | 'items' | 'requestStop' | 'resume' | 'rollback'
    >
  }

const BatchId = Type.Object({ id: Type.String({ minLength: 1, maxLength: 128 }) })
const BatchSchema = Type.Unsafe<BatchAnswer>(Type.Object(BATCH_MEMBERS))

/** Everything of `/admin/v1/role-changes`. */
export function roleChangeRoutes(deps: RoleChangeRouteDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    const simulate = createSimulations(deps)
    void app.register(simulationRoute(simulate))
    void app.register(acceptRoute(deps, simulate))
    void app.register(listRoute(deps))
    void app.register(batchRoute(deps))
    void app.register(stopAndResumeRoutes(deps))
    void app.register(rollbackRoute(deps))
    done()
  }
}

function listRoute(deps: RoleChangeRouteDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    app.get(
      '/admin/v1/role-changes',
      {
        schema: {
          operationId: 'listRoleChanges',
          summary: 'Batches of role changes, newest first',
          description: 'All of them, those in a state, or those that change a user.',
          tags: ['role-changes'],
          querystring: Type.Object({
            state: Type.Optional(Type.Enum([...BATCH_STATES])),
            userId: Type.Optional(UserName),
            limit: Type.Optional(Limit),
            cursor: Type.Optional(Cursor),
          }),
          response: { 200: pageOf(BatchSchema), ...problems(400, 401, 403, 429, 503) },
        },
      },
      async ({ query }) => {
        const { state, userId, cursor } = query
        const page = await deps.roleChanges.list({
          limit: limitOf(query),
          cursor,
          state,
          userId: userId === undefined ? undefined : await findUserId(deps, userId),
        })
        const { nextCursor } = page
        const items = page.items.map(describeBatch)
        return { items, ...(nextCursor === undefined ? {} : { nextCursor }) }
      },
    )
    done()
  }
}

function batchRoute(deps: RoleChangeRouteDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    app.get(
      '/admin/v1/role-changes/:id',
      {
        schema: {
          operationId: 'getRoleChanges',
          summary: 'Follow a batch',
          description:
            'The batch and its users, a page at a time, in the order in which they are changed; a page ends at its limit or at about a mebibyte. Names are those of the served matrix.',
          tags: ['role-changes'],
          params: BatchId,
          querystring: Type.Object({
            state: Type.Optional(Type.Enum([...ITEM_STATES])),
            limit: Type.Optional(Limit),
            cursor: Type.Optional(Cursor),
          }),
          response: {
            200: Type.Unsafe<string>(
              Type.Object({
                ...BATCH_MEMBERS,
                items: Type.Array(ItemSchema),
                nextCursor: NextCursor,
              }),
            ),
            ...problems(400, 401, 403, 404, 429, 503),
          },
        },
      },
      async ({ params: { id }, query }, reply) => {
        const { state, cursor } = query
        const question = ['role-change-items', id, state]
        const after = cursor === undefined ? undefined : readCursor(cursor, question).position
        const batch = await deps.roleChanges.find(id)
        const names = servedNames(deps.matrices)
        const { items, next } = await fillPage(
          {
            read: (count, from) => readItems(deps, id, { limit: count, after: from, state }),
            placeOf: ({ item }) => item.position,
            describe: ({ item, sunsets }): ItemAnswer => describeItem(item, names, sunsets),
          },
          { limit: limitOf(query), after },
        )
        const nextCursor =
          next === undefined ? undefined : writeCursor({ revision: 0, position: next }, question)
        const members = JSON.stringify({ ...describeBatch(batch), nextCursor }).slice(0, -1)
        return await reply.type(JSON_TYPE).send(`${members},"items":${items}}`)
      },
    )
    done()
  }
}

/** More sunsets than these are not told of with the items read at once. */
const MAX_SUNSETS = 10_000

/** Items of a batch, each with what ends by itself of its user's grants. */
async function readItems(
  { roleChanges }: RoleChangeRouteDeps,
  id: string,
  page: Parameters<RoleChangeStore['items']>[1],
) {
  const { items, next } = await roleChanges.items(id, page)
  if (items.length === 0) return { items: [], next }
  const userIds = items.map(({ userId }) => userId)
  const pending = await roleChanges.pendingSunsets({ userIds, limit: MAX_SUNSETS })
  const byUser = Map.groupBy(pending, ({ userId }) => userId)
  return { items: items.map((item) => ({ item, sunsets: byUser.get(item.userId) ?? [] })), next }
}

type Command = {
  readonly name: 'stop' | 'resume' | 'rollback'
  readonly action: AuditAction
  readonly operationId: string
  readonly summary: string
  readonly description: string
}

const STOP: Command = {
  name: 'stop',
  action: 'role_changes_stop',
  operationId: 'stopRoleChanges',
  summary: 'Halt a batch after the user in hand',
  description: 'Asking twice is no error; 409 for a batch that has ended or is being rolled back.',
}
const RESUME: Command = {
  name: 'resume',
  action: 'role_changes_resume',
  operationId: 'resumeRoleChanges',
  summary: 'Go on with a stopped batch',
  description: 'No error for one that is under way already; 409 for others.',
}
const ROLLBACK: Command = {
  name: 'rollback',
  action: 'role_changes_rollback',
  operationId: 'rollBackRoleChanges',
  summary: 'Restore the direct grants from before a batch',
  description:
    'For a batch that no longer moves and has applied something. Users whose grants were changed by others since are left alone, unless `force`.',
}

function commandSchema({ operationId, summary, description }: Command) {
  return {
    operationId,
    summary,
    description,
    tags: ['role-changes'],
    params: BatchId,
    response: {
      202: Type.Unsafe<BatchAnswer>({ ...Type.Object(BATCH_MEMBERS), description: 'The batch' }),
      ...problems(400, 401, 403, 404, 409, 415, 429, 503),
    },
  }
}

const NoBody = Type.Union([
  Type.Object({}, { additionalProperties: false }),
  Type.Null({ description: 'An empty body will do' }),
])

function stopAndResumeRoutes(deps: RoleChangeRouteDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    const run: Readonly<Record<'stop' | 'resume', RoleChangeStore['resume']>> = {
      stop: (id, audit) => deps.roleChanges.requestStop(id, audit),
      resume: (id, audit) => deps.roleChanges.resume(id, audit),
    }
    for (const command of [STOP, RESUME]) {
      app.post<{ Params: { id: string } }>(
        `/admin/v1/role-changes/:id/${command.name}`,
        { schema: { ...commandSchema(command), body: NoBody } },
        async (request, reply) => {
          const { id } = request.params
          const entry = commandEntry(request, command, id, {})
          const batch = await run[command.name as 'stop' | 'resume'](id, [entry])
          deps.wake()
          reply.header('location', locationOf(batch))
          return await reply.code(202).send(describeBatch(batch))
        },
      )
    }
    done()
  }
}

const RollbackBody = Type.Union([
  Type.Object(
    {
      force: Type.Optional(
        Type.Boolean({ description: 'Also restore users whose grants were changed by others' }),
      ),
    },
    { additionalProperties: false },
  ),
  Type.Null({ description: 'An empty body will do' }),
])

function rollbackRoute(deps: RoleChangeRouteDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    app.post(
      `/admin/v1/role-changes/:id/rollback`,
      { schema: { ...commandSchema(ROLLBACK), body: RollbackBody } },
      async (request, reply) => {
        const { id } = request.params
        const force = request.body?.force === true
        const entry = commandEntry(request, ROLLBACK, id, { force })
        const batch = await deps.roleChanges.rollback(id, { force }, [entry])
        deps.wake()
        reply.header('location', locationOf(batch))
        return await reply.code(202).send(describeBatch(batch))
      },
    )
    done()
  }
}

function locationOf({ id }: RoleChangeBatch): string {
  return `/admin/v1/role-changes/${encodeURIComponent(id)}`
}

function commandEntry(
  request: FastifyRequest,
  command: Command,
  id: string,
  details: NewAuditEntry['details'],
): NewAuditEntry {
  return {
    action: command.action,
    outcome: 'started',
    actor: callerOf(request),
    requestId: request.id,
    userId: null,
    subjectId: id,
    before: null,
    after: null,
    details,
  }
}

function limitOf(query: { readonly limit?: string }): number {
  return query.limit === undefined ? DEFAULT_LIMIT : Number(query.limit)
}
