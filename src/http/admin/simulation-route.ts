import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { Failure } from '../../domain/failure.ts'
import { JSON_TYPE } from '../json-text.ts'
import { hashRequest } from '../request-hash.ts'
import { Cursor, Limit, problems } from '../schemas.ts'
import { asWritten, readUpdates, requireBody } from './change-request.ts'
import type { WrittenUpdates } from './change-request.ts'
import { CHANGE_BODY_BYTES, ChangesCsv, QueryRevision, SimulationBody } from './change-schemas.ts'
import { takeCsv } from './csv-body.ts'
import { SIMULATION_MEMBERS } from './simulation-answer.ts'
import type { Simulate, SimulationAsked } from './simulations.ts'

const Query = Type.Object(
  {
    limit: Type.Optional(Limit),
    cursor: Type.Optional(Cursor),
    baseRevision: Type.Optional(QueryRevision),
  },
  { additionalProperties: false },
)

type Body = Static<typeof SimulationBody> | string

/** `POST /admin/v1/role-changes/simulations`: what changes would do, before anything is done. */
export function simulationRoute(simulate: Simulate): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    takeCsv(app)
    app.post<{ Body: Body; Querystring: Static<typeof Query> }>(
      '/admin/v1/role-changes/simulations',
      {
        config: { scopes: ['admin:read', 'admin:write'] },
        bodyLimit: CHANGE_BODY_BYTES,
        schema: {
          operationId: 'simulateRoleChanges',
          summary: 'See what changes would do',
          description:
            'Changes nothing: the scope `admin:read` will do. Takes the updates of a batch, as JSON or CSV, or an edited role; a policy to remove goes with all its variants, whatever their conditions. Pages stay on the revision of the first one; every page sends the same body again. A page ends at its limit or at about a mebibyte of entries, whichever comes first: `nextCursor` says whether there is more.',
          tags: ['role-changes'],
          querystring: Query,
          body: {
            content: {
              'application/json': { schema: SimulationBody },
              'text/csv': { schema: ChangesCsv },
            },
          },
          response: {
            200: Type.Unsafe<Buffer>(Type.Object(SIMULATION_MEMBERS)),
            ...problems(400, 401, 403, 410, 413, 415, 429, 503),
          },
        },
      },
      async (request, reply) => {
        const body = requireBody(request.body)
        const { change, locate } = await readChange(body)
        const asked: SimulationAsked = {
          change,
          baseRevision: readBaseRevision(body, request.query),
          page: request.query,
          question: ['simulation', hashRequest(body)],
        }
        return await reply.type(JSON_TYPE).send(await simulate(asked).catch(locate))
      },
    )
    done()
  }
}

function readBaseRevision(body: Body, query: Static<typeof Query>): number | undefined {
  if (typeof body !== 'string' && query.baseRevision !== undefined) {
    const message = 'baseRevision belongs into the body: the query is for CSV'
    throw new Failure('invalid', message, { field: 'baseRevision' })
  }
  if (typeof body !== 'string') return body.baseRevision
  return query.baseRevision === undefined ? undefined : Number(query.baseRevision)
}

type Change = Pick<SimulationAsked, 'change'> & Pick<WrittenUpdates, 'locate'>

async function readChange(body: Body): Promise<Change> {
  if (typeof body === 'string' || body.updates) {
    if (typeof body !== 'string') refuseRoleEdit(body)
    const { updates, locate } = await readUpdates(
      typeof body === 'string' ? body : (body.updates ?? []),
    )
    return { change: { kind: 'users', updates }, locate }
  }
  const { roleId, addPolicies, removePolicies } = body
  if (roleId === undefined) {
    const message = 'either updates or roleId is required'
    throw new Failure('invalid', message, { field: 'updates' })
  }
  return {
    change: { kind: 'role', edit: { roleId, addPolicies, removePolicies } },
    locate: asWritten,
  }
}

function refuseRoleEdit(body: Static<typeof SimulationBody>): void {
  for (const field of ['roleId', 'addPolicies', 'removePolicies'] as const) {
    if (body[field] === undefined) continue
    throw new Failure('invalid', `${field} cannot come with updates: simulate one of both`, {
      field,
    })
  }
}
