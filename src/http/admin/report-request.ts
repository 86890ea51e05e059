import { Type } from 'typebox'
import type { Static } from 'typebox'
import { Failure } from '../../domain/failure.ts'
import { nearestName } from '../../domain/permission.ts'
import { REPORT_KINDS } from '../../domain/report.ts'
import type { ReportKind, ReportRequest } from '../../domain/report.ts'
import type { ServedMatrices } from '../../domain/served.ts'
import { MAX_INSTANT_LENGTH, readInstant, readPeriod } from '../instant.ts'
import { PermissionCode } from '../schemas.ts'
import { Actor, From, To } from './audit-routes.ts'
import { UserName } from './change-schemas.ts'
import { findUserId } from './find-user.ts'
import type { FindUserDeps } from './find-user.ts'

export const ReportBody = Type.Object(
  {
    kind: Type.Enum([...REPORT_KINDS], {
      description:
        '`changes` in a period, the history of one user, who holds a permission now (and at a time in the past), current conflicts with the rules',
    }),
    from: Type.Optional(From),
    to: Type.Optional(To),
    userId: Type.Optional(UserName),
    actor: Type.Optional(Actor),
    permission: Type.Optional(PermissionCode),
    at: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: MAX_INSTANT_LENGTH,
        description: 'An instant, or the beginning of a date (UTC), in the past',
      }),
    ),
  },
  {
    additionalProperties: false,
    description:
      '`changes` needs `from` and `to` and takes `userId` and `actor`; `user-history` needs `userId` and takes `from` and `to`; `permission-holders` needs `permission` and takes `at`; `conflicts` takes nothing',
    examples: [
      { kind: 'changes', from: '2026-11-01', to: '2026-12-01' },
      { kind: 'permission-holders', permission: 'routing:queue:edit', at: '2026-11-01' },
    ],
  },
)
type Body = Static<typeof ReportBody>
type Member = Exclude<keyof Body, 'kind'>

const MEMBERS: Readonly<
  Record<ReportKind, { needs: readonly Member[]; takes: readonly Member[] }>
> = {
  changes: { needs: ['from', 'to'], takes: ['userId', 'actor'] },
  'user-history': { needs: ['userId'], takes: ['from', 'to'] },
  'permission-holders': { needs: ['permission'], takes: ['at'] },
  conflicts: { needs: [], takes: [] },
}

/** A report's request with its users looked up. Throws `invalid` that names the member at fault. */
export async function readReportRequest(
  body: Body,
  deps: FindUserDeps,
  now: number,
): Promise<ReportRequest> {
  requireMembers(body)
  const { kind, actor, permission = '' } = body
  const period = readPeriod(body)
  const userId = body.userId === undefined ? undefined : await findUserId(deps, body.userId)
  switch (kind) {
    case 'changes':
      return { kind, from: period.from ?? '', to: period.to ?? '', userId, actor }
    case 'user-history':
      return { kind, userId: userId ?? '', ...period }
    case 'permission-holders':
      return { kind, permission, ...readMoment(body, deps.matrices, now) }
    case 'conflicts':
      return { kind }
  }
}

function requireMembers(body: Body): void {
  const { needs, takes } = MEMBERS[body.kind]
  for (const field of needs) {
    if (body[field] !== undefined) continue
    throw new Failure('invalid', `${field} is required for ${body.kind}`, { field })
  }
  for (const field of Object.keys(body)) {
    if (field === 'kind' || [...needs, ...takes].includes(field as Member)) continue
    throw new Failure('invalid', `${field} is not for ${body.kind}`, { field })
  }
}

/** A permission of the past may be gone by now; one of the present is known at once or not. */
function readMoment(
  { at, permission = '' }: Body,
  matrices: ServedMatrices,
  now: number,
): { readonly at?: string } {
  if (at === undefined) {
    const matrix = matrices.current()
    if (matrix.findPermission(permission) >= 0) return {}
    const nearest = nearestName(permission, matrix.permissionCodes())
    const hint = nearest === undefined ? '' : `; the nearest known one is ${nearest}`
    throw new Failure('invalid', `there is no such permission${hint}`, { field: 'permission' })
  }
  const instant = readInstant(at, 'at')
  if (Date.parse(instant) <= now) return { at: instant }
  throw new Failure('invalid', 'at must lie in the past', { field: 'at' })
}
