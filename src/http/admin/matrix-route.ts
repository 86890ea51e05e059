import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import type { ArchitectureOffers } from '../../domain/architecture-platform.ts'
import type { Preflight } from '../../domain/directory.ts'
import { Failure } from '../../domain/failure.ts'
import type { Matrix } from '../../domain/matrix.ts'
import type { Rebuild } from '../../domain/rebuild.ts'
import type { UnmatchedRule } from '../../domain/resolve-role-rules.ts'
import type { ServedMatrices } from '../../domain/served.ts'
import { problems } from '../schemas.ts'
import { RebuildSchema } from './rebuild-routes.ts'

/** What the service knows of itself beyond the matrix. */
type ServiceStatus = {
  /** The matrix that is held, whether or not it may be served. */
  readonly held: Matrix | undefined
  /** What the platform said of us; undefined until it has. */
  readonly startCheck: Preflight | undefined
  readonly lastRebuild: Rebuild | undefined
  readonly runningRebuild: Rebuild | undefined
  readonly unknownUsersQueued: number
  /** Rules that name what the organisation does not have. */
  readonly unmatchedRules: readonly UnmatchedRule[]
}

export type MatrixRouteDeps = {
  readonly matrices: ServedMatrices
  readonly status: () => ServiceStatus
  /** What the organisation offers beside roles; null for what is not known. Never rejects. */
  readonly offers: () => Promise<ArchitectureOffers>
}

const Organization = Type.Object({ id: Type.String(), name: Type.String() })

const HeldSchema = Type.Object({
  revision: Type.Integer(),
  takenAt: Type.String({ description: 'When reading of the facts began' }),
  ageSeconds: Type.Integer(),
  bytes: Type.Integer(),
  organization: Organization,
  counts: Type.Object({
    users: Type.Integer(),
    clients: Type.Integer(),
    groups: Type.Integer(),
    roles: Type.Integer(),
    divisions: Type.Integer(),
    permissions: Type.Integer({ description: 'Of the catalogue' }),
    flatPermissions: Type.Integer(),
    directGrants: Type.Integer(),
    groupGrants: Type.Integer(),
  }),
  gaps: Type.Object(
    {
      grantsOfUnlistedUsers: Type.Integer(),
      grantsOfForeignSubjects: Type.Integer(),
      grantsOfUnknownRoleOrDivision: Type.Integer(),
      inactiveUsersBeyondListing: Type.Boolean(),
    },
    { description: 'What was met while reading that the matrix cannot hold' },
  ),
  activeAccessPolicies: Type.Union([Type.Integer(), Type.Null()], {
    description: 'Attribute-based policies of the organisation; null when they cannot be read',
  }),
})

const DescriptionSchema = Type.Object({
  servable: Type.Boolean({ description: 'Whether checks are answered' }),
  reason: Type.Optional(Type.String({ description: 'Why they are not' })),
  warnings: Type.Array(Type.String(), { description: 'What an admin should know, in words' }),
  matrix: Type.Optional(HeldSchema),
  platform: Type.Optional(
    Type.Object({
      organization: Organization,
      permissionsKnown: Type.Boolean(),
      missingPermissions: Type.Array(
        Type.Object({
          permission: Type.String(),
          neededFor: Type.String(),
          essential: Type.Boolean(),
        }),
      ),
    }),
  ),
  offers: Type.Unsafe<ArchitectureOffers>(
    Type.Object(
      {
        ipAllowlists: Type.Union([Type.Boolean(), Type.Null()]),
        environments: Type.Union([Type.Boolean(), Type.Null()]),
      },
      { description: 'What the organisation offers; null where that is not known' },
    ),
  ),
  lastRebuild: Type.Optional(RebuildSchema),
  runningRebuild: Type.Optional(RebuildSchema),
  unknownUsersQueued: Type.Integer({
    description: 'Users that checks named, the matrix did not know, and nobody has read yet',
  }),
})

/** `GET /admin/v1/matrix`: what is served, how old it is, and what is wrong with it. */
export function matrixRoute(deps: MatrixRouteDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    app.get(
      '/admin/v1/matrix',
      {
        schema: {
          operationId: 'getMatrix',
          summary: 'Describe the served matrix',
          description: 'Also answers while there is none, or none that may be served.',
          tags: ['matrix'],
          response: { 200: DescriptionSchema, ...problems(401, 403, 429, 503) },
        },
      },
      async () => describeStatus(deps, await deps.offers()),
    )
    done()
  }
}

function describeStatus(
  { matrices, status }: MatrixRouteDeps,
  offers: ArchitectureOffers,
): Static<typeof DescriptionSchema> {
  const told = status()
  const { held, startCheck, lastRebuild, runningRebuild, unknownUsersQueued } = told
  const reason = refusalOf(matrices)
  return {
    servable: reason === undefined,
    ...(reason === undefined ? {} : { reason }),
    warnings: [...warningsOf(held, startCheck), ...ruleWarnings(told.unmatchedRules)],
    ...(held ? { matrix: describeMatrix(held, matrices.ageSeconds(held)) } : {}),
    ...(startCheck ? { platform: describePlatform(startCheck) } : {}),
    offers,
    ...(lastRebuild ? { lastRebuild } : {}),
    ...(runningRebuild ? { runningRebuild } : {}),
    unknownUsersQueued,
  }
}

function refusalOf(matrices: ServedMatrices): string | undefined {
  try {
    matrices.current()
    return undefined
  } catch (error) {
    if (error instanceof Failure) return error.message
    throw error
  }
}

function describeMatrix(matrix: Matrix, ageSeconds: number): Static<typeof HeldSchema> {
  const { organizationId, organizationName, gaps, activeAccessPolicies } = matrix.description
  return {
    revision: matrix.revision,
    takenAt: new Date(matrix.takenAt).toISOString(),
    ageSeconds: Math.max(0, Math.floor(ageSeconds)),
    bytes: matrix.buffer.byteLength,
    organization: { id: organizationId, name: organizationName },
    counts: {
      users: matrix.userCount,
      clients: matrix.subjectCount - matrix.userCount,
      groups: matrix.groupCount,
      roles: matrix.roleCount,
      divisions: matrix.divisionCount,
      permissions: matrix.cataloguedCount,
      flatPermissions: matrix.permissionCount - matrix.cataloguedCount,
      directGrants: matrix.directGrantCount,
      groupGrants: matrix.groupGrantCount,
    },
    gaps,
    activeAccessPolicies,
  }
}

function describePlatform(preflight: Preflight) {
  const { organizationId, organizationName, permissionsKnown, missing } = preflight
  return {
    organization: { id: organizationId, name: organizationName },
    permissionsKnown,
    missingPermissions: [...missing],
  }
}

function warningsOf(held: Matrix | undefined, startCheck: Preflight | undefined): string[] {
  const warnings: string[] = []
  const policies = held?.description.activeAccessPolicies
  if (policies === null) {
    warnings.push('Attribute-based access policies could not be read: they may deny more.')
  } else if (policies !== undefined && policies > 0) {
    warnings.push(
      `The organisation has ${policies} active attribute-based access policies. They can deny beyond roles and are not evaluated here: a check may allow what the platform denies.`,
    )
  }
  for (const { permission, neededFor } of startCheck?.missing ?? []) {
    warnings.push(`The OAuth client lacks ${permission}, which is needed for ${neededFor}.`)
  }
  return warnings
}

/** Rules, and names of one rule, that are told of; the log has all. */
const MAX_RULES_TOLD = 50
const MAX_NAMES_TOLD = 10

function ruleWarnings(unmatched: readonly UnmatchedRule[]): string[] {
  const warnings = unmatched.slice(0, MAX_RULES_TOLD).map(({ rule, unknown, inert }) => {
    const names = unknown.slice(0, MAX_NAMES_TOLD).join(', ')
    const more = unknown.length - MAX_NAMES_TOLD
    const rest = more > 0 ? ` and ${more} more` : ''
    const effect = inert ? 'nobody can break it' : 'it holds for what was found'
    return `The rule ${rule} names what the organisation does not have: ${names}${rest}. As it stands ${effect}.`
  })
  const more = unmatched.length - MAX_RULES_TOLD
  if (more > 0) warnings.push(`${more} more rules name what the organisation does not have.`)
  return warnings
}
