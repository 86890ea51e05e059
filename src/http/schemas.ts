import { Type } from 'typebox'
import type { Static, TSchema } from 'typebox'
import { OUTCOMES } from '../domain/evaluate.ts'

/** Ids are UUIDs on the platform; anything else is compared as it is, within this length. */
export const MAX_ID_LENGTH = 256
export const MAX_PERMISSION_LENGTH = 512
const MAX_SEARCH_LENGTH = 256
const MAX_CURSOR_LENGTH = 512

export const DEFAULT_LIMIT = 100
const LIMIT_PATTERN = '^([1-9][0-9]{0,2}|1000)$'
export const REVISION_PATTERN = '^(0|[1-9][0-9]{0,14})$'

/** Of an `Idempotency-Key`. */
export const KEY_PATTERN = '^[\\x21-\\x7e]{1,255}$'

/** What a pattern asks for, in words for the caller. */
export const PATTERN_WORDS: ReadonlyMap<string, string> = new Map([
  [LIMIT_PATTERN, 'must be a whole number from 1 to 1000'],
  [REVISION_PATTERN, 'must be a whole number'],
  [KEY_PATTERN, 'must be 1 to 255 printable ASCII characters without spaces'],
])

const USER = '0b9a1c6e-3f5d-4f0a-9c51-7d6a1f0e2b34'
const DIVISION = '5c2e7f8a-1d34-4b6c-8e9f-0a1b2c3d4e5f'

export const UserId = Type.String({
  minLength: 1,
  maxLength: MAX_ID_LENGTH,
  description: 'Id of a user, or of an OAuth client that acts for itself',
  examples: [USER],
})
export const PermissionCode = Type.String({
  minLength: 1,
  maxLength: MAX_PERMISSION_LENGTH,
  description: '`domain:entity:action`, or a flat permission such as `group_creation`',
  examples: ['routing:queue:view'],
})
export const DivisionId = Type.String({
  minLength: 1,
  maxLength: MAX_ID_LENGTH,
  description: 'Only grants that reach this division count; without it those of any division do',
  examples: [DIVISION],
})

/** Text, because a query has nothing else: nothing is coerced anywhere. */
export const Limit = Type.String({
  pattern: LIMIT_PATTERN,
  description: `Items on a page, 1 to 1000; default ${DEFAULT_LIMIT}`,
  examples: ['100'],
})
export const Cursor = Type.String({
  minLength: 1,
  maxLength: MAX_CURSOR_LENGTH,
  description: '`nextCursor` of the page before',
})
export const SearchText = Type.String({
  maxLength: MAX_SEARCH_LENGTH,
  description: 'Part of what is looked for, in any case of letters',
})

/** Headers that a check request may carry besides its credentials. */
export const MinimumRevision = Type.Object({
  'x-minimum-revision': Type.Optional(
    Type.String({
      pattern: REVISION_PATTERN,
      description:
        'Answer from this revision of the matrix or a later one, else 503; 400 where a `cursor` stands on an earlier one',
    }),
  ),
})

export const NamedThing = Type.Object({ id: Type.String(), name: Type.String() })

export const RevisionNumber = Type.Integer({
  minimum: 0,
  description: 'Revision of the matrix that answered; rises by one with every swap',
})

const [, ...REASONS] = OUTCOMES
export const ReasonName = Type.Union(
  REASONS.map((reason) => Type.Literal(reason)),
  { description: 'Why not; where several reasons hold, the first of this list' },
)

/** One way to a permission. */
export const GrantPath = Type.Object({
  role: NamedThing,
  division: NamedThing,
  via: Type.Object({
    type: Type.Enum(['direct', 'group']),
    id: Type.Optional(Type.String()),
    name: Type.Optional(Type.String()),
  }),
  policy: Type.String({ examples: ['routing:queue:*'] }),
  outcome: Type.Enum(['allowed', 'conditional', 'other_division', 'condition_failed']),
  missing: Type.Optional(Type.Array(Type.String())),
  unusable: Type.Optional(Type.Array(Type.String())),
})

export const ProblemSchema = Type.Object(
  {
    type: Type.String({ examples: ['urn:genesys-permission-check:problem:invalid'] }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.Optional(Type.String()),
    instance: Type.Optional(Type.String({ description: 'The request id' })),
    field: Type.Optional(Type.String({ description: 'The part of the request at fault' })),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          field: Type.String(),
          message: Type.String(),
          suggestion: Type.Optional(Type.String({ description: 'What could stand there instead' })),
        }),
        { description: 'Every fault found, where a request is checked as a whole; at most 1,500' },
      ),
    ),
    retryAfterSeconds: Type.Optional(Type.Number()),
    upstream: Type.Optional(
      Type.Object({
        status: Type.Integer(),
        code: Type.String(),
        correlationId: Type.String(),
      }),
    ),
  },
  { $id: 'Problem', description: 'RFC 9457 problem details' },
)

export const NextCursor = Type.Optional(Type.String({ description: 'Absent on the last page' }))

/** A page of a listing. */
export function pageOf<Item extends TSchema>(item: Item) {
  return Type.Object({
    items: Type.Array(item),
    nextCursor: NextCursor,
  })
}

const PROBLEM_WORDS: Readonly<Record<number, string>> = {
  400: 'The request is malformed',
  401: 'No credentials, or wrong ones',
  403: 'The credentials lack the scope',
  404: 'There is no such thing',
  409: 'The state does not allow this',
  410: 'The revision asked for, or that the cursor stands on, is no longer held',
  413: 'The body is too large',
  415: 'The body is of a type that is not taken',
  429: 'Too many requests of this caller',
  500: 'A bug; the request id finds its log line',
  501: 'This organisation does not offer it',
  502: 'The platform refused or answered something unusable',
  503: 'No matrix may be served, the database cannot be reached, or the service is overloaded',
}

/** What a status says, whatever form the answer has. */
export function problemWords(status: number): string {
  return PROBLEM_WORDS[status] ?? ''
}

/** The problems that a route can answer, as its response schemas. */
export function problems(...statuses: readonly (keyof typeof PROBLEM_WORDS)[]) {
  return Object.fromEntries(
    [...statuses, 500].map((status) => [
      status,
      {
        description: PROBLEM_WORDS[status],
        content: {
          'application/problem+json': {
            schema: Type.Unsafe<Static<typeof ProblemSchema>>({ $ref: 'Problem#' }),
          },
        },
      },
    ]),
  )
}
