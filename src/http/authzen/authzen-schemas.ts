import { Type } from 'typebox'
import { GrantPath, problemWords, ReasonName, RevisionNumber } from '../schemas.ts'
import { MAX_DECISION_PATHS } from './decision-text.ts'
import { MAX_TEXT_LENGTH } from './entities.ts'

/** Questions in one request. */
export const MAX_EVALUATIONS = 10_000

/** What one request may take up in paths and missing names, in UTF-16 units: about 7,000 paths. */
export const MAX_EXPLANATION_UNITS = 2 * 1024 * 1024

export const SEMANTICS = ['execute_all', 'deny_on_first_deny', 'permit_on_first_permit'] as const

/** Hits on one page of a search. */
export const MAX_PAGE = 1_000

const USER = '0b9a1c6e-3f5d-4f0a-9c51-7d6a1f0e2b34'
const DIVISION = '5c2e7f8a-1d34-4b6c-8e9f-0a1b2c3d4e5f'

const text = (description: string) =>
  Type.String({ minLength: 1, maxLength: MAX_TEXT_LENGTH, description })
const object = (description: string) => Type.Record(Type.String(), Type.Unknown(), { description })

const Properties = Type.Optional(object('Values for conditions'))
const SubjectType = text('`user`, or `client` for an OAuth client')
const ResourceType = text(
  '`domain:entity`, `permission` for flat permissions, or a name of AUTHZEN_RESOURCE_TYPES',
)

const Subject = Type.Object({
  type: SubjectType,
  id: text('Id of the user or client'),
  properties: Properties,
})
const Action = Type.Object({ name: text('The action of the permission'), properties: Properties })
const Resource = Type.Object({
  type: ResourceType,
  id: text('The division, unless `properties.divisionId` names it'),
  properties: Properties,
})
const Context = Type.Optional(
  object('Values for conditions; `options.explain: false` leaves the paths out of the answer'),
)

const QUESTION = {
  subject: { type: 'user', id: USER },
  action: { name: 'view' },
  resource: { type: 'routing:queue', id: DIVISION },
}

export const EvaluationRequest = Type.Object(
  { subject: Subject, action: Action, resource: Resource, context: Context },
  { examples: [QUESTION] },
)

const EntityDefault = Type.Optional(object('Default of the items that do not have their own'))

export const EvaluationsRequest = Type.Object(
  {
    subject: EntityDefault,
    action: EntityDefault,
    resource: EntityDefault,
    context: Context,
    evaluations: Type.Optional(
      Type.Array(Type.Unknown(), {
        maxItems: MAX_EVALUATIONS,
        description: 'Questions as a single evaluation has them, without what has a default',
      }),
    ),
    options: Type.Optional(
      Type.Object({ evaluations_semantic: Type.Optional(Type.Enum([...SEMANTICS])) }),
    ),
  },
  {
    examples: [
      {
        subject: QUESTION.subject,
        resource: QUESTION.resource,
        evaluations: [{ action: { name: 'view' } }, { action: { name: 'edit' } }],
      },
    ],
  },
)

const DecisionContext = Type.Object({
  reason: Type.Optional(ReasonName),
  missing: Type.Optional(
    Type.Array(Type.String(), { description: 'Attributes that would decide; when `conditional`' }),
  ),
  unusable: Type.Optional(
    Type.Array(Type.String(), {
      description:
        'Attributes that would decide, were they not given as what cannot be compared: a list, an object, a word where a number is needed',
    }),
  ),
  revision: RevisionNumber,
  age: Type.Integer({ description: 'Age of the matrix in seconds' }),
  paths: Type.Optional(
    Type.Array(GrantPath, { description: 'How the subject comes, or nearly comes, by it' }),
  ),
  truncated: Type.Optional(
    Type.Literal(true, {
      description: `There are more than the ${MAX_DECISION_PATHS} paths given; or, in a request for many, paths and missing names of this one were left out because the whole answer has no room for more`,
    }),
  ),
})

export const DecisionSchema = Type.Object(
  { decision: Type.Boolean(), context: DecisionContext },
  { description: 'Denied is an answer, not an error' },
)

const FailedDecision = Type.Object(
  {
    decision: Type.Literal(false),
    context: Type.Object({
      error: Type.Object({ status: Type.Integer(), message: Type.String() }),
    }),
  },
  { description: 'The question could not be evaluated' },
)

export const EvaluationsAnswer = Type.Union([
  Type.Object({ evaluations: Type.Array(Type.Union([DecisionSchema, FailedDecision])) }),
  DecisionSchema,
])

const Page = Type.Optional(
  Type.Object({
    token: Type.Optional(Type.String({ description: '`next_token` of the page before' })),
    limit: Type.Optional(
      Type.Integer({ minimum: 0, description: `Hits on a page; at most ${MAX_PAGE} are given` }),
    ),
    properties: Type.Optional(object('Without meaning here')),
  }),
)

const KindOnly = Type.Object({ type: SubjectType, properties: Properties })
const TypeOnly = Type.Object({ type: ResourceType, properties: Properties })

export const SubjectSearch = Type.Object(
  { subject: KindOnly, action: Action, resource: Resource, context: Context, page: Page },
  { examples: [{ ...QUESTION, subject: { type: 'user' } }] },
)
export const ResourceSearch = Type.Object(
  { subject: Subject, action: Action, resource: TypeOnly, context: Context, page: Page },
  { examples: [{ ...QUESTION, resource: { type: 'routing:queue' } }] },
)
export const ActionSearch = Type.Object(
  { subject: Subject, resource: Resource, context: Context, page: Page },
  { examples: [{ subject: QUESTION.subject, resource: QUESTION.resource }] },
)

const PageAnswer = Type.Object({
  next_token: Type.String({ description: 'Empty on the last page' }),
  count: Type.Integer({ description: 'Hits on this page' }),
})
const SearchContext = Type.Object({ revision: RevisionNumber, age: Type.Integer() })

export const EntitiesFound = Type.Object({
  page: PageAnswer,
  context: SearchContext,
  results: Type.Array(Type.Object({ type: Type.String(), id: Type.String() })),
})
export const ActionsFound = Type.Object({
  page: PageAnswer,
  context: SearchContext,
  results: Type.Array(Type.Object({ name: Type.String() })),
})

/** What routes of the standard answer instead of problems: a message (10.1, error responses). */
export function errors(...statuses: readonly number[]) {
  return Object.fromEntries(
    [...statuses, 500].map((status) => [
      status,
      {
        description: problemWords(status),
        content: { 'text/plain': { schema: Type.String({ description: 'The message' }) } },
      },
    ]),
  )
}

export const MetadataSchema = Type.Object({
  policy_decision_point: Type.String(),
  access_evaluation_endpoint: Type.String(),
  access_evaluations_endpoint: Type.String(),
  search_subject_endpoint: Type.String(),
  search_resource_endpoint: Type.String(),
  search_action_endpoint: Type.String(),
  capabilities: Type.Array(Type.String()),
  signed_metadata: Type.Optional(
    Type.String({ description: 'The same as claims of a JSON Web Token' }),
  ),
})
