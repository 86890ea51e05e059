import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { EnvironmentDesk, EnvironmentPreview, Warned } from '../../domain/architecture-desk.ts'
import type { CountedEnvironment } from '../../domain/architecture-desk.ts'
import type { Environment } from '../../domain/architecture-platform.ts'
import { Cursor, Limit, pageOf, problems } from '../schemas.ts'
import { requesterOf } from './allowlist-routes.ts'
import { findById } from './allowlist-schemas.ts'
import {
  ARCHITECTURE_BODY_BYTES,
  describeValidation,
  MAX_LISTED,
  MAX_TEXT,
  ValidationSchema,
  Warnings,
} from './finding-schemas.ts'
import { pageOfList } from './platform-list.ts'

export type EnvironmentRouteDeps = { readonly environments: EnvironmentDesk }

const PATH = '/admin/v1/environments'
const tags = ['environments']

const text = (description: string) => Type.String({ maxLength: MAX_TEXT, description })

const MEMBERS = {
  name: text('3 to 32 characters: `^[a-z][a-z0-9-]{2,31}$`'),
  description: Type.Optional(text('Empty by default')),
  configSource: Type.Object(
    {
      type: text('`matrix`'),
      sources: Type.Array(text('A source'), { maxItems: MAX_LISTED }),
    },
    { additionalProperties: false },
  ),
  accessControl: Type.Array(
    Type.Object(
      {
        role: Type.Optional(text('A role’s name; one that the organisation lacks is a warning')),
        permission: Type.Optional(text('Free text: `full`, `read_write`')),
      },
      { additionalProperties: false },
    ),
    { maxItems: MAX_LISTED },
  ),
}
const ValidationBody = Type.Object(MEMBERS, { additionalProperties: false })
const EnvironmentBody = Type.Object(
  {
    ...MEMBERS,
    dryRun: Type.Optional(Type.Boolean({ description: 'Only say what would happen' })),
  },
  { additionalProperties: false },
)

const untold = { description: 'Null where the platform does not tell it again' }
const EnvironmentSchema = Type.Unsafe<Environment>(
  Type.Object({
    id: Type.String(),
    name: Type.String(),
    createdDate: Type.String({ description: 'As the platform writes it' }),
    description: Type.Union([Type.String(), Type.Null()], untold),
    configSource: Type.Union(
      [Type.Object({ type: Type.String(), sources: Type.Array(Type.String()) }), Type.Null()],
      untold,
    ),
    accessControl: Type.Union(
      [Type.Array(Type.Object({ role: Type.String(), permission: Type.String() })), Type.Null()],
      untold,
    ),
  }),
)

/** Everything of `/admin/v1/environments`. */
export function environmentRoutes(deps: EnvironmentRouteDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    void app.register(readRoutes(deps))
    void app.register(validationRoute(deps))
    void app.register(createRoute(deps))
    done()
  }
}

function readRoutes({ environments }: EnvironmentRouteDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    app.get(
      PATH,
      {
        schema: {
          operationId: 'listEnvironments',
          summary: 'Environments, as the platform has them',
          description: '501 where the organisation does not offer them.',
          tags,
          querystring: Type.Object({
            limit: Type.Optional(Limit),
            cursor: Type.Optional(Cursor),
          }),
          response: {
            200: pageOf(EnvironmentSchema),
            ...problems(400, 401, 403, 429, 501, 502, 503),
          },
        },
      },
      async ({ query }) => pageOfList(await environments.list(), query, 'environments'),
    )
    app.get(
      `${PATH}/:id`,
      {
        schema: {
          operationId: 'getEnvironment',
          summary: 'One environment',
          description: 'Parts that the platform does not tell again are null.',
          tags,
          params: Type.Object({ id: Type.String({ minLength: 1, maxLength: 256 }) }),
          response: {
            200: EnvironmentSchema,
            ...problems(400, 401, 403, 404, 429, 501, 502, 503),
          },
        },
      },
      async ({ params: { id } }) => findById(await environments.list(), id, 'environment'),
    )
    done()
  }
}

function validationRoute({ environments }: EnvironmentRouteDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    app.post(
      `${PATH}/validations`,
      {
        bodyLimit: ARCHITECTURE_BODY_BYTES,
        schema: {
          operationId: 'validateEnvironment',
          summary: 'Check an environment without creating it',
          description: 'Tells every fault at once; asks the platform for nothing.',
          tags,
          body: ValidationBody,
          response: { 200: ValidationSchema, ...problems(400, 401, 403, 413, 415, 429, 503) },
        },
      },
      ({ body }, reply) => {
        void reply.send(describeValidation(environments.validate(body)))
      },
    )
    done()
  }
}

const CountedSchema = {
  count: Type.Integer({ description: 'Environments that there are now' }),
  maxEnvironments: Type.Integer({ description: 'MAX_ENVIRONMENTS' }),
}
const CreatedSchema = Type.Unsafe<ReturnType<typeof describeCreation>>(
  Type.Object(
    {
      environmentId: Type.String(),
      outcome: Type.Enum(['created', 'existing', 'recovered'], {
        description: '`recovered`: the answer was lost, and what it created was found by its name',
      }),
      latencyMs: Type.Integer({ description: 'Of all attempts, pauses included' }),
      attempts: Type.Integer(),
      ...CountedSchema,
      environment: EnvironmentSchema,
      warnings: Warnings,
    },
    { description: 'Created' },
  ),
)
const PreviewSchema = Type.Unsafe<ReturnType<typeof describePreview>>(
  Type.Object(
    { dryRun: Type.Literal(true), ...CountedSchema, warnings: Warnings },
    { description: 'It could be created (`dryRun`)' },
  ),
)

function createRoute({ environments }: EnvironmentRouteDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    app.post(
      PATH,
      {
        bodyLimit: ARCHITECTURE_BODY_BYTES,
        schema: {
          operationId: 'createEnvironment',
          summary: 'Create an environment',
          description:
            'Counted first, over all pages and all instances of this service: 409 with both counts when MAX_ENVIRONMENTS is reached, 409 too when the name is taken. The work goes on when you hang up.',
          tags,
          body: EnvironmentBody,
          response: {
            200: PreviewSchema,
            201: CreatedSchema,
            ...problems(400, 401, 403, 409, 413, 415, 429, 501, 502, 503),
          },
        },
      },
      async (request, reply) => {
        const { dryRun = false, ...requested } = request.body
        if (dryRun) return describePreview(await environments.preview(requested))
        const creation = await environments.create(requested, requesterOf(request))
        reply.header('location', `${PATH}/${encodeURIComponent(creation.item.id)}`)
        return await reply.code(201).send(describeCreation(creation))
      },
    )
    done()
  }
}

function describePreview(preview: Warned<EnvironmentPreview>) {
  return { dryRun: true, ...preview }
}

function describeCreation(creation: Warned<CountedEnvironment>) {
  const { item, outcome, latencyMs, attempts, countBefore, maxEnvironments, warnings } = creation
  return {
    environmentId: item.id,
    outcome,
    latencyMs,
    attempts,
    count: countBefore + 1,
    maxEnvironments,
    environment: item,
    warnings,
  }
}
