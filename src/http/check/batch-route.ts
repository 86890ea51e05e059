import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { ALLOWED, decide, decideRecord, OUTCOMES, UNKNOWN_USER } from '../../domain/evaluate.ts'
import { findRecords } from '../../domain/find-records.ts'
import { ANY_DIVISION } from '../../domain/matrix.ts'
import type { Matrix } from '../../domain/matrix.ts'
import {
  DivisionId,
  PermissionCode,
  problems,
  ReasonName,
  RevisionNumber,
  UserId,
} from '../schemas.ts'
import { MAX_BATCH, readBatch } from './batch-request.ts'
import type { CompactBatch, FullBatch } from './batch-request.ts'
import type { CheckRouteDeps } from './check-route.ts'
import { takeJson } from './json-body.ts'
import { createAnswerWriter, requireRevision } from './matrix-answer.ts'

/** Room for 10,000 questions with divisions and attributes. */
const BODY_LIMIT = 8 * 1024 * 1024

const AttributeValues = Type.Record(
  Type.String(),
  Type.Union([Type.String(), Type.Number(), Type.Boolean()]),
  { description: 'Values for conditions, read as `resource.properties`', maxProperties: 100 },
)

const BatchItemSchema = Type.Object({
  userId: UserId,
  permission: PermissionCode,
  divisionId: Type.Optional(DivisionId),
  attributes: Type.Optional(AttributeValues),
})

const ITEM = { userId: '0b9a1c6e-3f5d-4f0a-9c51-7d6a1f0e2b34', permission: 'routing:queue:view' }

const FullForm = Type.Object(
  { checks: Type.Array(BatchItemSchema, { maxItems: MAX_BATCH }) },
  { title: 'Any questions', examples: [{ checks: [ITEM] }] },
)
const CompactForm = Type.Object(
  {
    userId: UserId,
    permissions: Type.Array(PermissionCode, { maxItems: MAX_BATCH }),
    divisionId: Type.Optional(DivisionId),
    attributes: Type.Optional(AttributeValues),
  },
  {
    title: 'Many questions about one user',
    examples: [{ userId: ITEM.userId, permissions: [ITEM.permission, 'routing:queue:edit'] }],
  },
)

const FullAnswer = Type.Object(
  {
    revision: RevisionNumber,
    results: Type.Array(
      Type.Object({ allowed: Type.Boolean(), reason: Type.Optional(ReasonName) }),
      { description: 'In the order of the questions' },
    ),
  },
  { title: 'To any questions' },
)
const CompactAnswer = Type.Object(
  {
    revision: RevisionNumber,
    allowed: Type.Array(Type.Boolean(), { description: 'In the order of the permissions' }),
  },
  { title: 'To many questions about one user' },
)

/** With the comma before it: one text to append for each answer. */
const RESULTS = OUTCOMES.map((name, outcome) => {
  return outcome === ALLOWED ? ',{"allowed":true}' : `,{"allowed":false,"reason":"${name}"}`
})

/** `POST /api/v1/check-permissions`: up to 10,000 questions, all answered from one matrix. */
export function batchRoute(deps: CheckRouteDeps): FastifyPluginCallbackTypebox {
  const { matrices, metrics } = deps
  const write = createAnswerWriter(deps)
  return (app, _options, done) => {
    takeJson(app)
    app.post(
      '/api/v1/check-permissions',
      {
        bodyLimit: BODY_LIMIT,
        schema: {
          operationId: 'checkPermissions',
          summary: 'Up to 10,000 questions at once',
          description:
            'Either `checks`, or one `userId` with `permissions`. Every answer of a batch comes from the same matrix.',
          tags: ['checks'],
          body: Type.Union([FullForm, CompactForm]),
          response: {
            200: Type.Union([FullAnswer, CompactAnswer]),
            ...problems(400, 401, 403, 413, 415, 429, 503),
          },
        },
        // What the service takes for a batch does not begin before the caller has sent all of it.
        preParsing: (request, _reply, payload, parse) => {
          payload.once('end', () => {
            request.arrivedAt = performance.now()
          })
          parse(null, payload)
        },
        // The schema is what is published; `readBatch` holds requests to it, faster.
        validatorCompiler: () => () => true,
      },
      (request, reply) => {
        const batch = readBatch(request.body)
        const matrix = matrices.current()
        requireRevision(request, matrix)
        const body =
          'checks' in batch ? answerFull(deps, matrix, batch) : answerCompact(deps, matrix, batch)
        write(request, reply, matrix, body, body.length)
        metrics.answered('check', 200)
        metrics.checkTook((performance.now() - request.arrivedAt) / 1000)
      },
    )
    done()
  }
}

function answerFull(deps: CheckRouteDeps, matrix: Matrix, { checks }: FullBatch): string {
  const records = findRecords(
    matrix,
    checks.map((check) => check.userId),
  )
  let results = ''
  for (let i = 0; i < checks.length; i++) {
    const { userId, permission, divisionId, attributes } = checks[i] as FullBatch['checks'][number]
    const code = matrix.findPermission(permission)
    const division = divisionId === undefined ? ANY_DIVISION : matrix.findDivision(divisionId)
    const scopes = attributes && [attributes]
    const outcome = decideRecord(matrix, records[i] as number, code, division, scopes)
    if (outcome === UNKNOWN_USER) deps.unknownUsers.note(userId)
    deps.metrics.decided(outcome)
    results += RESULTS[outcome] as string
  }
  return `{"revision":${matrix.revision},"results":[${results.slice(1)}]}`
}

function answerCompact(deps: CheckRouteDeps, matrix: Matrix, batch: CompactBatch): string {
  const scopes = batch.attributes && [batch.attributes]
  const subject = matrix.findSubject(batch.userId)
  const division = matrix.findDivision(batch.divisionId)
  if (subject < 0) deps.unknownUsers.note(batch.userId)
  let allowed = ''
  for (const code of batch.permissions) {
    const outcome = decide(matrix, subject, matrix.findPermission(code), division, scopes)
    deps.metrics.decided(outcome)
    allowed += outcome === ALLOWED ? ',true' : ',false'
  }
  return `{"revision":${matrix.revision},"allowed":[${allowed.slice(1)}]}`
}
