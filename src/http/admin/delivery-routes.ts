import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { auditEntry } from '../../domain/audit.ts'
import type { NewAuditEntry } from '../../domain/audit.ts'
import { DELIVERY_STATES, EVENT_TARGETS } from '../../domain/delivery.ts'
import type { Delivery, DeliveryStore } from '../../domain/delivery.ts'
import { callerOf } from '../access.ts'
import { Cursor, DEFAULT_LIMIT, Limit, pageOf, problems } from '../schemas.ts'

export type DeliveryRouteDeps = {
  readonly deliveries: Pick<DeliveryStore, 'list' | 'retry'>
}

const PATH = '/admin/v1/deliveries'
const tags = ['deliveries']

const Time = (description: string) => Type.Optional(Type.String({ description }))

const DeliverySchema = Type.Unsafe<ReturnType<typeof describeDelivery>>(
  Type.Object({
    id: Type.String({ description: 'The `webhook-id` of every attempt' }),
    target: Type.Enum([...EVENT_TARGETS], {
      description: '`callback`: GENESYS_SIM_CALLBACK_URL; `monitoring`: MONITORING_WEBHOOK_URL',
    }),
    event: Type.String(),
    subject: Type.String({ description: 'Events of one subject arrive in their order' }),
    state: Type.Enum([...DELIVERY_STATES], {
      description: '`dead`: given up after a day; it can be retried',
    }),
    attempts: Type.Integer(),
    createdAt: Type.String(),
    nextAttemptAt: Time('While it is pending'),
    expiresAt: Time('When it is given up, while it is pending'),
    lastAttemptAt: Time('Absent before the first attempt'),
    finishedAt: Time('When it arrived or was given up'),
    lastError: Type.Optional(Type.String()),
    body: Type.Unknown({ description: 'What is sent' }),
  }),
)

/** `/admin/v1/deliveries`: events on their way, and those that were given up. */
export function deliveryRoutes({ deliveries }: DeliveryRouteDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    app.get(
      PATH,
      {
        schema: {
          operationId: 'listDeliveries',
          summary: 'Events on their way to the webhooks, newest first',
          description:
            'What has arrived is kept for a week, what was given up until it is retried.',
          tags,
          querystring: Type.Object({
            state: Type.Optional(Type.Enum([...DELIVERY_STATES])),
            limit: Type.Optional(Limit),
            cursor: Type.Optional(Cursor),
          }),
          response: { 200: pageOf(DeliverySchema), ...problems(400, 401, 403, 429, 503) },
        },
      },
      async ({ query: { state, limit, cursor } }) => {
        const page = await deliveries.list({
          limit: limit === undefined ? DEFAULT_LIMIT : Number(limit),
          cursor,
          state,
        })
        const { nextCursor } = page
        const items = page.items.map(describeDelivery)
        return { items, ...(nextCursor === undefined ? {} : { nextCursor }) }
      },
    )
    app.post(
      `${PATH}/:id/retry`,
      {
        schema: {
          operationId: 'retryDelivery',
          summary: 'Try a delivery at once, and for another day',
          description: 'For what was given up or waits; 409 for what has arrived.',
          tags,
          params: Type.Object({ id: Type.String({ minLength: 1, maxLength: 128 }) }),
          body: Type.Union([
            Type.Object({}, { additionalProperties: false }),
            Type.Null({ description: 'An empty body will do' }),
          ]),
          response: {
            202: DeliverySchema,
            ...problems(400, 401, 403, 404, 409, 415, 429, 503),
          },
        },
      },
      async (request, reply) => {
        const { id } = request.params
        const delivery = await deliveries.retry(id, [retryEntry(request, id)])
        return await reply.code(202).send(describeDelivery(delivery))
      },
    )
    done()
  }
}

function describeDelivery(delivery: Delivery) {
  const { id, target, event, subject, state, attempts, error } = delivery
  const { createdAt, dueAt, expiresAt, lastAttemptAt, finishedAt } = delivery
  const pending = state === 'pending'
  const body: unknown = JSON.parse(delivery.body)
  return {
    id,
    target,
    event,
    subject,
    state,
    attempts,
    createdAt: instant(createdAt),
    ...(pending ? { nextAttemptAt: instant(dueAt), expiresAt: instant(expiresAt) } : {}),
    ...(lastAttemptAt === null ? {} : { lastAttemptAt: instant(lastAttemptAt) }),
    ...(finishedAt === null ? {} : { finishedAt: instant(finishedAt) }),
    ...(error === null ? {} : { lastError: error }),
    body,
  }
}

function instant(time: number): string {
  return new Date(time).toISOString()
}

function retryEntry(request: FastifyRequest, id: string): NewAuditEntry {
  return auditEntry({
    action: 'delivery_retried',
    outcome: 'succeeded',
    actor: callerOf(request),
    requestId: request.id,
    subjectId: id,
  })
}
