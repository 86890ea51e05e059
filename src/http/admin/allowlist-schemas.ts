import { Type } from 'typebox'
import type { Static } from 'typebox'
import { Failure } from '../../domain/failure.ts'
import type { IpAllowlist } from '../../domain/architecture-platform.ts'
import type { RequestedAllowlist } from '../../domain/ip-allowlist.ts'
import type { RequestedOrganizationAllowlist } from '../../domain/organization-allowlist.ts'
import { MAX_LISTED, MAX_TEXT } from './finding-schemas.ts'

/** The organisation's own list, in bodies and in the place of an id. */
export const ORGANIZATION = 'organization'

const text = (description: string) => Type.String({ maxLength: MAX_TEXT, description })

export const CallerAddress = Type.String({
  maxLength: MAX_TEXT,
  description: 'Where you speak from (IPv4): a list that would shut it out is refused',
  examples: ['203.0.113.7'],
})

const Entry = Type.Object(
  {
    ipAddress: Type.String({ maxLength: MAX_TEXT, examples: ['203.0.113.0/24'] }),
    direction: Type.Optional(text('`INBOUND` or `OUTBOUND`; not for the organisation’s own list')),
    scope: Type.Optional(text('`GLOBAL` or `RESOURCE`; not for the organisation’s own list')),
  },
  { additionalProperties: false },
)

/** Both targets in one: what one of them does not know is told with the field that is at fault. */
const MEMBERS = {
  target: Type.Optional(
    Type.Literal(ORGANIZATION, {
      description:
        'The organisation’s own login allowlist, which is replaced as a whole; a named list without',
    }),
  ),
  name: Type.Optional(text('Of a named list; 1 to 100 characters')),
  description: Type.Optional(text('Of a named list; empty by default')),
  entries: Type.Array(Entry, {
    maxItems: MAX_LISTED,
    description: '1 to 100 networks of a named list, at most 150 of the organisation’s own',
  }),
  allowEverything: Type.Optional(
    Type.Boolean({ description: 'Without it `0.0.0.0/0` is a fault' }),
  ),
  callerAddress: Type.Optional(CallerAddress),
}
export const ValidationBody = Type.Object(MEMBERS, { additionalProperties: false })
export const AllowlistBody = Type.Object(
  {
    ...MEMBERS,
    dryRun: Type.Optional(Type.Boolean({ description: 'Only say what would happen' })),
  },
  { additionalProperties: false },
)
type Body = Static<typeof ValidationBody>

export function namedListOf(body: Body): RequestedAllowlist {
  const { name = '' } = body
  return { ...listOf(body), name }
}

export function organizationListOf(body: Body): RequestedOrganizationAllowlist {
  return listOf(body)
}

/** What is asked for of a list, whosever it is: the check tells what does not belong to it. */
function listOf({ name, description, entries, allowEverything, callerAddress }: Body) {
  return { name, description, entries, allowEverything, callerAddress }
}

export const AllowlistSchema = Type.Unsafe<IpAllowlist>(
  Type.Object({
    id: Type.String(),
    name: Type.String(),
    description: Type.String(),
    createdDate: Type.String({ description: 'As the platform writes it' }),
    entries: Type.Array(
      Type.Object({
        ipAddress: Type.String(),
        direction: Type.String(),
        scope: Type.String(),
      }),
    ),
  }),
)

export const Networks = Type.Array(Type.String({ examples: ['203.0.113.0/24'] }))

/** Throws `not-found`. */
export function findById<Item extends { readonly id: string }>(
  items: readonly Item[],
  id: string,
  what: string,
): Item {
  const found = items.find((item) => item.id === id)
  if (found === undefined) throw new Failure('not-found', `there is no ${what} ${id}`)
  return found
}
