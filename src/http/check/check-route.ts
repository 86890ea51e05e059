import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest, FastifySchemaValidationError } from 'fastify'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { ALLOWED, evaluate, OUTCOMES, UNKNOWN_USER } from '../../domain/evaluate.ts'
import { explain } from '../../domain/explain.ts'
import type { ServedMatrices } from '../../domain/served.ts'
import type { Metrics } from '../../observability/metrics.ts'
import { isPlain } from '../json-text.ts'
import { isText } from '../text-value.ts'
import type { UnreadAnswers } from '../unread-answers.ts'
import { validationFailure } from '../validation-failure.ts'
import {
  DivisionId,
  GrantPath,
  MAX_ID_LENGTH,
  MAX_PERMISSION_LENGTH,
  NamedThing,
  PermissionCode,
  problems,
  ReasonName,
  UserId,
} from '../schemas.ts'
import { createAnswerWriter, requireRevision } from './matrix-answer.ts'

export type CheckRouteDeps = {
  readonly matrices: ServedMatrices
  readonly metrics: Pick<Metrics, 'decided' | 'checkTook' | 'answered'>
  /** Is told of every user that the matrix does not know. Must be cheap. */
  readonly unknownUsers: { note(id: string): void }
  readonly unread: UnreadAnswers
}

const Query = Type.Object({
  userId: UserId,
  permission: PermissionCode,
  divisionId: Type.Optional(DivisionId),
  explain: Type.Optional(
    Type.Enum(['true', 'false'], {
      description: 'With every path, and for a denial the nearest miss',
    }),
  ),
})

type Query = Static<typeof Query>

/**
 * The query, checked. What is right is seen at a glance; only what is not goes through the schema,
 * which knows the words for it.
 */
function readQuery(request: FastifyRequest): Query {
  const query = request.query as Record<string, unknown>
  if (
    isText(query['userId'], MAX_ID_LENGTH) &&
    isText(query['permission'], MAX_PERMISSION_LENGTH) &&
    (query['divisionId'] === undefined || isText(query['divisionId'], MAX_ID_LENGTH)) &&
    (query['explain'] === undefined || query['explain'] === 'true' || query['explain'] === 'false')
  ) {
    return query as Query
  }
  const validate = request.compileValidationSchema(Query, 'querystring')
  if (validate(query)) return query as Query
  throw validationFailure((validate.errors ?? []) as FastifySchemaValidationError[], 'querystring')
}

const Explanation = Type.Object({
  paths: Type.Array(GrantPath, { description: 'The best ones first' }),
  truncated: Type.Optional(Type.Literal(true)),
  nearest: Type.Optional(
    Type.Object(
      {
        permission: Type.Optional(Type.String()),
        state: Type.Optional(Type.String()),
        missing: Type.Optional(Type.Array(Type.String())),
        unusable: Type.Optional(Type.Array(Type.String())),
        divisions: Type.Optional(Type.Array(NamedThing)),
        roles: Type.Optional(Type.Array(NamedThing)),
        roleCount: Type.Optional(Type.Integer()),
      },
      { description: 'What comes nearest to a yes; only what applies' },
    ),
  ),
})

const Decision = Type.Object(
  {
    userId: Type.String(),
    permission: Type.String(),
    divisionId: Type.Optional(Type.String()),
    allowed: Type.Boolean(),
    reason: Type.Optional(ReasonName),
    explanation: Type.Optional(Explanation),
  },
  {
    description: 'Denied is an answer, not an error',
    examples: [
      {
        userId: '0b9a1c6e-3f5d-4f0a-9c51-7d6a1f0e2b34',
        permission: 'routing:queue:view',
        allowed: true,
      },
    ],
  },
)

/** The end of an answer without explanation, for each outcome. */
const ENDINGS = OUTCOMES.map((name, outcome) => {
  return outcome === ALLOWED ? ',"allowed":true}' : `,"allowed":false,"reason":"${name}"}`
})

/** `GET /api/v1/check-permission`, and `/check-permission`: one question, one answer. */
export function checkRoute(deps: CheckRouteDeps): FastifyPluginCallbackTypebox {
  const { matrices, metrics, unknownUsers } = deps
  const write = createAnswerWriter(deps)
  return (app, _options, done) => {
    for (const url of ['/api/v1/check-permission', '/check-permission']) {
      const short = url === '/check-permission'
      app.get(
        url,
        {
          schema: {
            operationId: short ? 'checkPermissionShort' : 'checkPermission',
            summary: short ? 'The same under a short path' : 'May a user do this?',
            description:
              'Answered from one immutable matrix in memory. A condition is never met here, for a query carries no attributes: what is conditional is denied.',
            tags: ['checks'],
            response: { 200: Decision, ...problems(400, 401, 403, 429, 503) },
          },
          config: { documentedQuery: Query },
        },
        (request, reply) => {
          const { userId, permission, divisionId, explain: explained } = readQuery(request)
          const matrix = matrices.current()
          requireRevision(request, matrix)
          const outcome = evaluate(matrix, userId, permission, divisionId)
          const ending = ENDINGS[outcome] as string
          if (explained === 'true') {
            const decision = explain(matrix, { subjectId: userId, permission, divisionId })
            const body = JSON.stringify({ userId, permission, divisionId, ...decision })
            write(request, reply, matrix, body)
          } else if (divisionId === undefined && isPlain(userId) && isPlain(permission)) {
            const body = `{"userId":"${userId}","permission":"${permission}"${ending}`
            write(request, reply, matrix, body, body.length)
          } else {
            const asked = JSON.stringify({ userId, permission, divisionId })
            write(request, reply, matrix, asked.slice(0, -1) + ending)
          }
          if (outcome === UNKNOWN_USER) unknownUsers.note(userId)
          metrics.decided(outcome)
          metrics.answered('check', 200)
          metrics.checkTook((performance.now() - request.arrivedAt) / 1000)
        },
      )
    }
    done()
  }
}
