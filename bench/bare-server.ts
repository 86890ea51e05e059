import { fastify } from 'fastify'

/**
 * What the check route is measured against: Fastify alone, validating the same query and answering
 * a constant of the same shape through a response schema.
 */
const text = { type: 'string', minLength: 1, maxLength: 512 }

const app = fastify({ ajv: { customOptions: { coerceTypes: false } } })
app.get(
  '/check-permission',
  {
    schema: {
      querystring: {
        type: 'object',
        required: ['userId', 'permission'],
        properties: { userId: text, permission: text, divisionId: text, explain: text },
      },
      response: {
        200: {
          type: 'object',
          properties: {
            userId: { type: 'string' },
            permission: { type: 'string' },
            allowed: { type: 'boolean' },
          },
        },
      },
    },
  },
  (_request, reply) => {
    void reply.send({
      userId: '7f9c24e8-3b12-4a6d-9c1e-5d8b0a2f4c61',
      permission: 'routing:queue:view',
      allowed: true,
    })
  },
)
const url = await app.listen({ host: '127.0.0.1', port: 0 })
process.send?.({ port: Number(new URL(url).port) })
process.once('SIGTERM', () => void app.close())
