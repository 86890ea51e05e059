import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type {
  AllowlistDesk,
  AllowlistPreview,
  OrganizationAllowlistDesk,
  OrganizationPreview,
  OrganizationResult,
  Requester,
  Warned,
} from '../../domain/architecture-desk.ts'
import type { Creation, IpAllowlist } from '../../domain/architecture-platform.ts'
import { callerOf } from '../access.ts'
import { Cursor, Limit, pageOf, problems } from '../schemas.ts'
import {
  AllowlistBody,
  AllowlistSchema,
  CallerAddress,
  findById,
  namedListOf,
  Networks,
  ORGANIZATION,
  organizationListOf,
  ValidationBody,
} from './allowlist-schemas.ts'
import {
  ARCHITECTURE_BODY_BYTES,
  describeValidation,
  ValidationSchema,
  Warnings,
} from './finding-schemas.ts'
import { pageOfList } from './platform-list.ts'

export type AllowlistRouteDeps = {
  readonly allowlists: AllowlistDesk
  readonly organizationAllowlist: OrganizationAllowlistDesk
}

const PATH = '/admin/v1/ip-allowlists'
const tags = ['ip-allowlists']

/** Everything of `/admin/v1/ip-allowlists`. */
export function allowlistRoutes(deps: AllowlistRouteDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    void app.register(readRoutes(deps))
    void app.register(validationRoute(deps))
    void app.register(createRoute(deps))
    void app.register(undoRoute(deps))
    done()
  }
}

/** Who asks, as the trail names it. */
export function requesterOf(request: FastifyRequest): Requester {
  return { actor: callerOf(request), requestId: request.id }
}

const OrganizationListSchema = Type.Object({
  target: Type.Literal(ORGANIZATION),
  networks: Networks,
  undoable: Type.Optional(
    Type.Object(
      { changeId: Type.String(), networks: Networks, requestedBy: Type.String() },
      { description: 'The change that an undo would take back, and the list before it' },
    ),
  ),
})

function readRoutes({
  allowlists,
  organizationAllowlist,
}: AllowlistRouteDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    app.get(
      PATH,
      {
        schema: {
          operationId: 'listIpAllowlists',
          summary: 'IP allowlists, as the platform has them',
          description: '501 where the organisation does not offer them.',
          tags,
          querystring: Type.Object({
            limit: Type.Optional(Limit),
            cursor: Type.Optional(Cursor),
          }),
          response: {
            200: pageOf(AllowlistSchema),
            ...problems(400, 401, 403, 429, 501, 502, 503),
          },
        },
      },
      async ({ query }) => pageOfList(await allowlists.list(), query, 'ip-allowlists'),
    )
    app.get(
      `${PATH}/:id`,
      {
        schema: {
          operationId: 'getIpAllowlist',
          summary: 'One IP allowlist, or `organization`: the organisation’s own',
          description: 'The organisation’s own list comes with the change that can be taken back.',
          tags,
          params: Type.Object({ id: Type.String({ minLength: 1, maxLength: 256 }) }),
          response: {
            200: Type.Unsafe<unknown>(Type.Union([OrganizationListSchema, AllowlistSchema])),
            ...problems(400, 401, 403, 404, 429, 501, 502, 503),
          },
        },
      },
      async ({ params: { id } }) => {
        if (id !== ORGANIZATION) return findById(await allowlists.list(), id, 'IP allowlist')
        const { networks, undoable } = await organizationAllowlist.read()
        if (undoable === undefined) return { target: ORGANIZATION, networks }
        const { id: changeId, before, requestedBy } = undoable
        return {
          target: ORGANIZATION,
          networks,
          undoable: { changeId, networks: before, requestedBy },
        }
      },
    )
    done()
  }
}

function validationRoute({
  allowlists,
  organizationAllowlist,
}: AllowlistRouteDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    app.post(
      `${PATH}/validations`,
      {
        bodyLimit: ARCHITECTURE_BODY_BYTES,
        schema: {
          operationId: 'validateIpAllowlist',
          summary: 'Check a list without creating it',
          description: 'Tells every fault at once; asks the platform for nothing.',
          tags,
          body: ValidationBody,
          response: { 200: ValidationSchema, ...problems(400, 401, 403, 413, 415, 429, 503) },
        },
      },
      ({ body }, reply) => {
        const validation =
          body.target === ORGANIZATION
            ? organizationAllowlist.validate(organizationListOf(body))
            : allowlists.validate(namedListOf(body))
        void reply.send(describeValidation(validation))
      },
    )
    done()
  }
}

const Outcome = Type.Enum(['created', 'existing', 'recovered'], {
  description: '`recovered`: the answer was lost, and what it created was found by its name',
})
const Took = {
  latencyMs: Type.Integer({ description: 'Of all attempts, pauses included' }),
  attempts: Type.Integer(),
}

const CreatedSchema = Type.Object({
  allowlistId: Type.String(),
  outcome: Outcome,
  ...Took,
  allowlist: AllowlistSchema,
  warnings: Warnings,
})
const PreviewSchema = Type.Object({
  dryRun: Type.Literal(true),
  outcome: Outcome,
  warnings: Warnings,
})
const DIFFERENCE = { added: Networks, removed: Networks, kept: Networks }
const ReplacementSchema = Type.Object({
  target: Type.Literal(ORGANIZATION),
  changeId: Type.String(),
  before: Networks,
  after: Networks,
  ...DIFFERENCE,
  visible: Type.Boolean({ description: 'False when reading back did not show it in time' }),
  ...Took,
  warnings: Warnings,
})
const ReplacementPreviewSchema = Type.Object({
  target: Type.Literal(ORGANIZATION),
  dryRun: Type.Literal(true),
  before: Networks,
  ...DIFFERENCE,
  warnings: Warnings,
})

function createRoute(deps: AllowlistRouteDeps): FastifyPluginCallbackTypebox {
  const { allowlists, organizationAllowlist } = deps
  return (app, _options, done) => {
    app.post(
      PATH,
      {
        bodyLimit: ARCHITECTURE_BODY_BYTES,
        schema: {
          operationId: 'createIpAllowlist',
          summary: 'Create a list, or replace the organisation’s own',
          description:
            'Answers 201 with what was created, 200 when the same was there already, 409 when the name has other content. The organisation’s own list (`target: "organization"`) is replaced as a whole: 200, or 409 when somebody else changed it meanwhile, when it would shut you out, or when it would be empty. The work goes on when you hang up.',
          tags,
          body: AllowlistBody,
          response: {
            200: Type.Unsafe<unknown>(
              Type.Union([
                ReplacementSchema,
                ReplacementPreviewSchema,
                CreatedSchema,
                PreviewSchema,
              ]),
            ),
            201: Type.Unsafe<unknown>({ ...CreatedSchema, description: 'Created' }),
            ...problems(400, 401, 403, 409, 413, 415, 429, 501, 502, 503),
          },
        },
      },
      async (request, reply) => {
        const { body } = request
        const dryRun = body.dryRun === true
        if (body.target === ORGANIZATION) {
          const requested = organizationListOf(body)
          if (dryRun) return describePreview(await organizationAllowlist.preview(requested))
          const by = requesterOf(request)
          return describeReplacement(await organizationAllowlist.replace(requested, by))
        }
        const requested = namedListOf(body)
        if (dryRun) return describeAllowlistPreview(await allowlists.preview(requested))
        const creation = await allowlists.create(requested, requesterOf(request))
        reply.header('location', `${PATH}/${encodeURIComponent(creation.item.id)}`)
        return await reply
          .code(creation.outcome === 'existing' ? 200 : 201)
          .send(describeCreation(creation))
      },
    )
    done()
  }
}

function describeCreation({
  item,
  outcome,
  latencyMs,
  attempts,
  warnings,
}: Warned<Creation<IpAllowlist>>) {
  return { allowlistId: item.id, outcome, latencyMs, attempts, allowlist: item, warnings }
}

function describeAllowlistPreview(preview: Warned<AllowlistPreview>) {
  return { dryRun: true, ...preview }
}

function describePreview(preview: Warned<OrganizationPreview>) {
  return { target: ORGANIZATION, dryRun: true, ...preview }
}

function describeReplacement(result: Warned<OrganizationResult>) {
  return { target: ORGANIZATION, ...result }
}

const UndoBody = Type.Union([
  Type.Object({ callerAddress: Type.Optional(CallerAddress) }, { additionalProperties: false }),
  Type.Null({ description: 'An empty body will do' }),
])

function undoRoute({ organizationAllowlist }: AllowlistRouteDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    app.post(
      `${PATH}/organization/undo`,
      {
        schema: {
          operationId: 'undoOrganizationAllowlist',
          summary: 'Take back the last change of the organisation’s own list',
          description:
            'Restores the list from before the newest change that is not taken back yet; 409 when there is none, or when somebody else changed the list since.',
          tags,
          body: UndoBody,
          response: {
            200: Type.Unsafe<unknown>(ReplacementSchema),
            ...problems(400, 401, 403, 409, 413, 415, 429, 501, 502, 503),
          },
        },
      },
      async (request) => {
        const { callerAddress } = request.body ?? {}
        const by = requesterOf(request)
        return describeReplacement(await organizationAllowlist.undo({ callerAddress }, by))
      },
    )
    done()
  }
}
