import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import type { NewAuditEntry } from '../../domain/audit.ts'
import type { Grant } from '../../domain/facts.ts'
import { findEmailsInTurns } from '../../domain/find-emails.ts'
import { subjectFacts } from '../../domain/matrix-facts.ts'
import type { Matrix } from '../../domain/matrix.ts'
import { namedUsers, resolveUpdates } from '../../domain/resolve-changes.ts'
import type { RoleChangeStore } from '../../domain/role-change-store.ts'
import type { NewBatch } from '../../domain/role-change-store.ts'
import type { RoleChangeBatch, UserChange } from '../../domain/role-change.ts'
import { emailsAmong } from '../../domain/user-lookup.ts'
import { callerOf } from '../access.ts'
import { JSON_TYPE } from '../json-text.ts'
import type { LongWork } from '../long-work.ts'
import { hashRequest } from '../request-hash.ts'
import { problems } from '../schemas.ts'
import { baseMatrix } from './base-matrix.ts'
import { BATCH_MEMBERS, describeBatch } from './batch-answer.ts'
import type { BatchAnswer } from './batch-answer.ts'
import { readChangeRequest, requireBody } from './change-request.ts'
import type { ChangeOptions, WrittenUpdates } from './change-request.ts'
import {
  CHANGE_BODY_BYTES,
  ChangesBody,
  ChangesCsv,
  ChangesHeaders,
  ChangesQuery,
} from './change-schemas.ts'
import { takeCsv } from './csv-body.ts'
import { SIMULATION_MEMBERS } from './simulation-answer.ts'
import type { Simulate, SimulationDeps } from './simulations.ts'

export type AcceptRouteDeps = Pick<SimulationDeps, 'matrices' | 'now'> & {
  readonly roleChanges: Pick<RoleChangeStore, 'accept' | 'findAccepted'>
  /** Tells whoever applies batches that there is something to do. Must be cheap. */
  readonly wake: () => void
  readonly longWork: LongWork
}

const BatchSchema = Type.Object(BATCH_MEMBERS)
const described = (description: string) =>
  Type.Unsafe<BatchAnswer>({ ...Type.Object(BATCH_MEMBERS), description })

const DryRunOrBatch = Type.Unsafe<unknown>(
  Type.Union([Type.Object({ ...SIMULATION_MEMBERS, dryRun: Type.Literal(true) }), BatchSchema], {
    description: 'The simulation, with `dryRun`; or the batch that the same request gave before',
  }),
)

/** `POST /admin/v1/role-changes`: accepts a batch, which is applied in the background. */
export function acceptRoute(
  deps: AcceptRouteDeps,
  simulate: Simulate,
): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    takeCsv(app)
    app.post<{
      Body: Static<typeof ChangesBody> | string
      Querystring: Static<typeof ChangesQuery>
      Headers: Static<typeof ChangesHeaders>
    }>(
      '/admin/v1/role-changes',
      {
        config: { scopes: ['admin:write'] },
        bodyLimit: CHANGE_BODY_BYTES,
        schema: {
          operationId: 'changeRoles',
          summary: 'Change the roles of up to 1,000 users',
          description:
            'Answers 202 with the batch, which is applied in the background, one user after another. With `dryRun` it answers 200 with what it would do, a page at a time as the simulation does, and does nothing; `limit` and `cursor` in the query are for that. With an `Idempotency-Key` the same request answers the same batch with 200, another request a 409. With CSV the options come in the query, with JSON in the body.',
          tags: ['role-changes'],
          querystring: ChangesQuery,
          headers: ChangesHeaders,
          body: {
            content: {
              'application/json': { schema: ChangesBody },
              'text/csv': { schema: ChangesCsv },
            },
          },
          response: {
            200: DryRunOrBatch,
            202: described('Accepted; `Location` says where to follow it'),
            ...problems(400, 401, 403, 409, 410, 413, 415, 429, 503),
          },
        },
      },
      async (request, reply) => {
        const body = requireBody(request.body)
        const { options, ...written } = await readChangeRequest(body, request.query)
        const { updates, locate } = written
        const asked = hashRequest({ updates, options })
        const key = request.headers['idempotency-key']
        if (options.dryRun) {
          const question = ['dry-run', asked]
          const { baseRevision } = options
          const change = { kind: 'users', updates } as const
          const simulation = { change, baseRevision, page: request.query, question }
          const json = await simulate(simulation, { dryRun: true }).catch(locate)
          return await reply.type(JSON_TYPE).send(json)
        }
        const idempotency = key === undefined ? undefined : { key, bodyHash: asked }
        // Before anything is looked up: what was accepted once may not be acceptable any more.
        const known =
          idempotency && (await deps.roleChanges.findAccepted(callerOf(request), idempotency))
        const { batch, created } = known
          ? { batch: known, created: false }
          : await accept(deps, request, { options, written, idempotency })
        if (created) deps.wake()
        reply.header('location', `/admin/v1/role-changes/${encodeURIComponent(batch.id)}`)
        return await reply.code(created ? 202 : 200).send(describeBatch(batch))
      },
    )
    done()
  }
}

type Asked = {
  readonly options: ChangeOptions
  readonly written: WrittenUpdates
  readonly idempotency: NewBatch['idempotency']
}

async function accept(
  deps: AcceptRouteDeps,
  request: FastifyRequest,
  { options, written, idempotency }: Asked,
): Promise<{ readonly batch: RoleChangeBatch; readonly created: boolean }> {
  const matrix = baseMatrix(deps.matrices, options.baseRevision)
  const changes = await resolve(deps, written, matrix)
  const batch: NewBatch = {
    requestedBy: callerOf(request),
    requestId: request.id,
    comment: options.comment,
    onFailure: options.onFailure,
    force: options.force,
    baseRevision: matrix.revision,
    items: withBefore(matrix, changes),
    idempotency,
  }
  return await deps.roleChanges.accept(batch, (id) => [acceptanceEntry(id, batch)])
}

async function resolve(
  { longWork, now }: AcceptRouteDeps,
  { updates, locate }: WrittenUpdates,
  matrix: Matrix,
) {
  const emails = emailsAmong(matrix, namedUsers(updates))
  const byEmail = await longWork.run(undefined, (pause) =>
    findEmailsInTurns(matrix, emails, async () => void (await pause())),
  )
  try {
    return resolveUpdates(matrix, updates, now(), byEmail)
  } catch (error) {
    return locate(error)
  }
}

/** Each user's direct grants as the base revision has them. */
function withBefore(matrix: Matrix, changes: readonly UserChange[]): NewBatch['items'] {
  const facts = subjectFacts(
    matrix,
    changes.map(({ userId }) => userId),
  )
  const grants = new Map(facts.map((fact) => [fact.id, fact.grants]))
  return changes.map((change) => ({ ...change, before: grants.get(change.userId) ?? [] }))
}

/**
 * The before-state itself is recorded with the batch, user by user, and again in the entry of each
 * change; here its size and hash, so that the entry stays small.
 */
function acceptanceEntry(id: string, batch: NewBatch): NewAuditEntry {
  const { items } = batch
  const before = items.map(({ userId, before: grants }) => ({ userId, grants: [...grants] }))
  return {
    action: 'role_changes_accepted',
    outcome: 'started',
    actor: batch.requestedBy,
    requestId: batch.requestId,
    userId: null,
    subjectId: id,
    before: {
      users: items.length,
      grants: items.reduce((sum, item) => sum + item.before.length, 0),
      hash: hashRequest(before satisfies readonly { readonly grants: readonly Grant[] }[]),
    },
    after: null,
    details: {
      comment: batch.comment,
      onFailure: batch.onFailure,
      force: batch.force,
      baseRevision: batch.baseRevision,
      userIds: items.map(({ userId }) => userId),
      ...countIntents(items),
    },
  }
}

function countIntents(items: NewBatch['items']) {
  const counts = { grants: 0, revocations: 0, replacements: 0, sunsets: 0 }
  for (const { intent } of items) {
    if (intent.kind === 'replace') {
      counts.replacements += 1
      continue
    }
    counts.grants += intent.grant.length
    counts.revocations += intent.revoke.length
    counts.sunsets += intent.grant.filter(({ until }) => until !== undefined).length
  }
  return counts
}
