import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { AUDIT_ACTIONS, AUDIT_OUTCOMES } from '../../domain/audit.ts'
import type { AuditFilter, AuditTrail, Verification } from '../../domain/audit.ts'
import { Failure } from '../../domain/failure.ts'
import { readCursor, writeCursor } from '../cursor.ts'
import { MAX_INSTANT_LENGTH, readPeriod } from '../instant.ts'
import { JSON_TYPE } from '../json-text.ts'
import { Cursor, DEFAULT_LIMIT, Limit, MAX_ID_LENGTH, pageOf, problems } from '../schemas.ts'
import { createSlots } from '../slots.ts'
import { NDJSON, sendEntries, wantsNdjson } from './audit-export.ts'
import { fillPage } from './bounded-page.ts'
import { UserName } from './change-schemas.ts'
import { findUserId } from './find-user.ts'
import type { FindUserDeps } from './find-user.ts'

export type AuditRouteDeps = FindUserDeps & {
  readonly audit: Pick<AuditTrail, 'list' | 'stream' | 'verify'>
}

/** Each of them reads the database for as long as its caller takes. */
const MAX_EXPORTS = 4
/** Recomputing a chain of many millions takes minutes. */
const MAX_VERIFICATION_MS = 10 * 60_000

const Instant = (description: string) => {
  return Type.String({ minLength: 1, maxLength: MAX_INSTANT_LENGTH, description })
}
export const From = Instant('From this instant on, or this date (UTC)')
export const To = Instant('Before this instant, or this date (UTC)')
export const Actor = Type.String({
  minLength: 1,
  maxLength: MAX_ID_LENGTH,
  description: "A key's name, a token's subject, or `service`, `schedule`, `sunset`, `platform`",
})

const Query = Type.Object(
  {
    from: Type.Optional(From),
    to: Type.Optional(To),
    actor: Type.Optional(Actor),
    userId: Type.Optional(UserName),
    action: Type.Optional(Type.Enum([...AUDIT_ACTIONS])),
    outcome: Type.Optional(Type.Enum([...AUDIT_OUTCOMES])),
    subjectId: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: MAX_ID_LENGTH,
        description: 'Id of the batch, rebuild or report that it belongs to',
      }),
    ),
    order: Type.Optional(
      Type.Enum(['asc', 'desc'], { description: 'Newest first (`desc`) by default' }),
    ),
    limit: Type.Optional(Limit),
    cursor: Type.Optional(Cursor),
  },
  { additionalProperties: false },
)
type Query = Static<typeof Query>

const Hash = Type.String({ description: 'SHA-256 in hex' })

const EntrySchema = Type.Object({
  sequence: Type.Integer(),
  time: Type.String(),
  action: Type.Enum([...AUDIT_ACTIONS]),
  outcome: Type.Enum([...AUDIT_OUTCOMES]),
  actor: Type.String(),
  requestId: Type.String(),
  userId: Type.Union([Type.String(), Type.Null()]),
  subjectId: Type.Union([Type.String(), Type.Null()]),
  before: Type.Unknown(),
  after: Type.Unknown(),
  details: Type.Record(Type.String(), Type.Unknown()),
  previousHash: Hash,
  hash: Hash,
})

const Head = Type.Object({
  count: Type.Integer({ description: 'Entries that there ever were' }),
  hash: Hash,
})

const VerificationSchema = Type.Object({
  intact: Type.Boolean(),
  checked: Type.Integer({ description: 'Entries whose hash was recomputed' }),
  prunedThrough: Type.Integer({ description: 'Entries that retention removed' }),
  head: Head,
  witness: Type.Union([Head, Type.Null()], { description: 'What is kept outside the database' }),
  broken: Type.Union([
    Type.Object({ sequence: Type.Integer(), reason: Type.String() }),
    Type.Null({ description: 'Nothing is at fault' }),
  ]),
  verifiedAt: Type.String(),
})

/** `/admin/v1/audit/entries` and `/admin/v1/audit/verification`. */
export function auditRoutes(deps: AuditRouteDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    void app.register(entriesRoute(deps))
    void app.register(verificationRoute(deps))
    done()
  }
}

function entriesRoute(deps: AuditRouteDeps): FastifyPluginCallbackTypebox {
  const slots = createSlots(MAX_EXPORTS, 'exports')
  return (app, _options, done) => {
    app.get(
      '/admin/v1/audit/entries',
      {
        schema: {
          operationId: 'listAuditEntries',
          summary: 'What happened',
          description:
            'Pages stay stable while entries are added; one ends at its limit or at about a mebibyte of entries. With `Accept: application/x-ndjson` all matching entries come in one answer, oldest first, a line each; `limit`, `cursor` and `order` have no place there.',
          tags: ['audit'],
          querystring: Query,
          response: {
            200: {
              description: 'A page, or all as lines',
              content: {
                'application/json': {
                  schema: Type.Unsafe<string>(pageOf(EntrySchema)),
                },
                [NDJSON]: { schema: Type.String() },
              },
            },
            ...problems(400, 401, 403, 429, 503),
          },
        },
      },
      async (request, reply) => {
        const { query } = request
        const filter = await readFilter(deps, query)
        if (!wantsNdjson(request.headers.accept)) {
          return await reply.type(JSON_TYPE).send(await listEntries(deps, query, filter))
        }
        refusePaging(query)
        const release = slots.take()
        try {
          await sendEntries(reply, deps.audit.stream(filter))
        } finally {
          release()
        }
        return reply
      },
    )
    done()
  }
}

async function readFilter(deps: AuditRouteDeps, query: Query): Promise<AuditFilter> {
  const { actor, userId, action, outcome, subjectId } = query
  const period = readPeriod(query)
  const user = userId === undefined ? undefined : await findUserId(deps, userId)
  return { ...period, actor, userId: user, action, outcome, subjectId }
}

async function listEntries({ audit }: AuditRouteDeps, query: Query, filter: AuditFilter) {
  const { order = 'desc', limit, cursor } = query
  const { from, to, actor, userId, action, outcome, subjectId } = filter
  const question = ['audit', order, from, to, actor, userId, action, outcome, subjectId]
  const newestFirst = order === 'desc'
  const { items, next } = await fillPage(
    {
      read: (count, after) => audit.list(filter, { limit: count, after, newestFirst }),
      placeOf: ({ sequence }) => sequence,
      describe: (entry) => entry,
    },
    {
      limit: limit === undefined ? DEFAULT_LIMIT : Number(limit),
      after: cursor === undefined ? undefined : readCursor(cursor, question).position,
    },
  )
  if (next === undefined) return `{"items":${items}}`
  const nextCursor = writeCursor({ revision: 0, position: next }, question)
  return `{"items":${items},"nextCursor":${JSON.stringify(nextCursor)}}`
}

function refusePaging(query: Query): void {
  for (const field of ['limit', 'cursor', 'order'] as const) {
    if (query[field] === undefined) continue
    throw new Failure('invalid', `${field} is for pages: ${NDJSON} gives all, oldest first`, {
      field,
    })
  }
}

function verificationRoute({ audit }: AuditRouteDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    app.get(
      '/admin/v1/audit/verification',
      {
        schema: {
          operationId: 'verifyAuditTrail',
          summary: 'Recompute the chain',
          description:
            'Answers 200 also for a chain that is broken: `intact` says so, and `broken` names the first entry at fault.',
          tags: ['audit'],
          response: {
            200: Type.Unsafe<Verification>(VerificationSchema),
            ...problems(401, 403, 429, 503),
          },
        },
      },
      async () => {
        // Not the caller's going away: others may be waiting for the same verification.
        const signal = AbortSignal.timeout(MAX_VERIFICATION_MS)
        try {
          return await audit.verify(signal)
        } catch (error) {
          if (!signal.aborted || error instanceof Failure) throw error
          const message = `the chain could not be verified in ${MAX_VERIFICATION_MS / 60_000} minutes`
          throw new Failure('overloaded', message)
        }
      },
    )
    done()
  }
}
