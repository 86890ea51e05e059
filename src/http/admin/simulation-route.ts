import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import type { MatrixWorkshop } from '../../domain/directory.ts'
import { Failure } from '../../domain/failure.ts'
import type { Matrix } from '../../domain/matrix.ts'
import { resolveRoleEdit } from '../../domain/resolve-role-edit.ts'
import type { RoleRule } from '../../domain/role-rules.ts'
import type { ServedMatrices } from '../../domain/served.ts'
import type { SimulationRequest } from '../../domain/simulation.ts'
import { readCursor, writeCursor } from '../cursor.ts'
import { hashRequest } from '../request-hash.ts'
import { Cursor, DEFAULT_LIMIT, Limit, problems } from '../schemas.ts'
import { createSlots } from '../slots.ts'
import { baseMatrix } from './base-matrix.ts'
import { readUpdates, requireBody } from './change-request.ts'
import { CHANGE_BODY_BYTES, ChangesCsv, QueryRevision, SimulationBody } from './change-schemas.ts'
import { takeCsv } from './csv-body.ts'
import { describeSimulation, SIMULATION_MEMBERS } from './simulation-answer.ts'

export type SimulationRouteDeps = {
  readonly matrices: ServedMatrices
  readonly workshop: Pick<MatrixWorkshop, 'simulate'>
  readonly rules: readonly RoleRule[]
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** There is one thread for them, and a big one takes it for a second. */
const MAX_SIMULATIONS = 4

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
export function simulationRoute(deps: SimulationRouteDeps): FastifyPluginCallbackTypebox {
  const slots = createSlots(MAX_SIMULATIONS, 'simulations')
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
            'Changes nothing: the scope `admin:read` will do. Takes the updates of a batch, as JSON or CSV, or an edited role (policies without conditions). Pages stay on the revision of the first one; every page sends the same body again.',
          tags: ['role-changes'],
          querystring: Query,
          body: {
            content: {
              'application/json': { schema: SimulationBody },
              'text/csv': { schema: ChangesCsv },
            },
          },
          response: {
            200: Type.Unsafe<ReturnType<typeof describeSimulation> & { nextCursor?: string }>(
              Type.Object(SIMULATION_MEMBERS),
            ),
            ...problems(400, 401, 403, 410, 413, 415, 429, 503),
          },
        },
      },
      async (request) => {
        const release = slots.take()
        try {
          return await answerSimulation(deps, requireBody(request.body), request.query)
        } finally {
          release()
        }
      },
    )
    done()
  }
}

async function answerSimulation(
  deps: SimulationRouteDeps,
  body: Body,
  query: Static<typeof Query>,
) {
  const question = ['simulation', hashRequest(body)]
  const place = query.cursor === undefined ? undefined : readCursor(query.cursor, question)
  const base = readBaseRevision(body, query)
  const matrix = baseMatrix(deps.matrices, place?.revision ?? base)
  const change = await readChange(body, matrix, deps.now())
  const simulation = await deps.workshop.simulate(matrix.buffer, {
    change,
    rules: deps.rules,
    timestamp: new Date(deps.now()).toISOString(),
    limit: query.limit === undefined ? DEFAULT_LIMIT : Number(query.limit),
    offset: place?.position ?? 0,
  })
  const { nextOffset } = simulation
  const { revision } = matrix
  return {
    ...describeSimulation(simulation, matrix),
    ...(nextOffset === undefined
      ? {}
      : { nextCursor: writeCursor({ revision, position: nextOffset }, question) }),
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

async function readChange(
  body: Body,
  matrix: Matrix,
  now: number,
): Promise<SimulationRequest['change']> {
  if (typeof body === 'string' || body.updates) {
    if (typeof body !== 'string') refuseRoleEdit(body)
    const written = await readUpdates(typeof body === 'string' ? body : (body.updates ?? []))
    return { kind: 'users', changes: written.resolve(matrix, now) }
  }
  const { roleId, addPolicies, removePolicies } = body
  if (roleId === undefined) {
    const message = 'either updates or roleId is required'
    throw new Failure('invalid', message, { field: 'updates' })
  }
  return { kind: 'role', edit: resolveRoleEdit(matrix, { roleId, addPolicies, removePolicies }) }
}

function refuseRoleEdit(body: Static<typeof SimulationBody>): void {
  for (const field of ['roleId', 'addPolicies', 'removePolicies'] as const) {
    if (body[field] === undefined) continue
    throw new Failure('invalid', `${field} cannot come with updates: simulate one of both`, {
      field,
    })
  }
}
