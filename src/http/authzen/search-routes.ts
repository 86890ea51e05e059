import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { TSchema } from 'typebox'
import { Failure } from '../../domain/failure.ts'
import type { JsonObject } from '../../domain/json-shape.ts'
import type { Page } from '../../domain/listing.ts'
import type { Matrix } from '../../domain/matrix.ts'
import type { ResourceTypes } from '../../domain/resource-types.ts'
import type { SearchStretch } from '../../domain/search.ts'
import { nameMatrix, requireRevision } from '../check/matrix-answer.ts'
import type { Pause } from '../long-work.ts'
import {
  ActionSearch,
  ActionsFound,
  EntitiesFound,
  errors,
  MAX_PAGE,
  ResourceSearch,
  SubjectSearch,
} from './authzen-schemas.ts'
import { failureOf, optionalObject, requireBody } from './entities.ts'
import { createPageTokens, firstPage } from './page-token.ts'
import type { FirstPage, PageTokens } from './page-token.ts'
import { noteUnknown } from './resolve-question.ts'
import type { AuthzenRouteDeps } from './resolve-question.ts'
import { readActionSearch, readResourceSearch, readSubjectSearch } from './search-request.ts'
import type { Search } from './search-request.ts'

type SearchRoute = {
  readonly url: string
  readonly operationId: string
  readonly summary: string
  readonly description: string
  readonly body: TSchema
  readonly found: TSchema
  readonly read: (types: ResourceTypes, body: JsonObject) => Search
}

const ROUTES: readonly SearchRoute[] = [
  {
    url: '/access/v1/search/subject',
    operationId: 'searchSubjects',
    summary: 'AuthZEN: who may do this?',
    description: 'Exactly the subjects of a type for whom an evaluation would answer yes.',
    body: SubjectSearch,
    found: EntitiesFound,
    read: readSubjectSearch,
  },
  {
    url: '/access/v1/search/resource',
    operationId: 'searchResources',
    summary: 'AuthZEN: where may a subject do this?',
    description:
      'Exactly the divisions of the organisation for which an evaluation would answer yes.',
    body: ResourceSearch,
    found: EntitiesFound,
    read: readResourceSearch,
  },
  {
    url: '/access/v1/search/action',
    operationId: 'searchActions',
    summary: 'AuthZEN: what may a subject do here?',
    description:
      'Exactly the actions of the resource type for which an evaluation would answer yes.',
    body: ActionSearch,
    found: ActionsFound,
    read: readActionSearch,
  },
]

/** `POST /access/v1/search/{subject,resource,action}` (Authorization API 1.0, 8). */
export function searchRoutes(deps: AuthzenRouteDeps): FastifyPluginCallbackTypebox {
  const tokens = createPageTokens()
  return (app, _options, done) => {
    for (const { url, read, body, found, ...words } of ROUTES) {
      app.post(
        url,
        {
          schema: {
            ...words,
            tags: ['authzen'],
            body,
            response: { 200: found, ...errors(400, 401, 403, 413, 429, 503) },
          },
          // The schema is what is published; the entities are checked as evaluations' are.
          validatorCompiler: () => () => true,
        },
        (request, reply) => answerSearch(deps, tokens, request, reply, read),
      )
    }
    done()
  }
}

async function answerSearch(
  deps: AuthzenRouteDeps,
  tokens: PageTokens,
  request: FastifyRequest,
  reply: FastifyReply,
  read: SearchRoute['read'],
): Promise<unknown> {
  const { matrices } = deps
  const body = requireBody(request.body)
  const search = read(deps.resourceTypes, body)
  const start = startOf(deps, tokens, body, search.question)
  requireRevision(request, start.matrix, matrices.current(), 'page/token')
  if (search.subject) noteUnknown(deps, start.matrix, search.subject)
  const { items, next } = await deps.longWork.run(reply.raw, (pause) =>
    collect(search.in(start.matrix), start, pause),
  )
  const { revision } = start.matrix
  const { page } = start
  const place = next === undefined ? undefined : { revision, position: next, page }
  if (place) matrices.hold(start.matrix)
  nameMatrix(reply, matrices, start.matrix)
  void reply.type('application/json; charset=utf-8')
  return JSON.stringify({
    page: { next_token: place ? tokens.write(place, search.question) : '', count: items.length },
    context: {
      revision,
      age: Math.max(0, Math.floor(matrices.ageSeconds(start.matrix))),
    },
    results: items.map(search.entity),
  })
}

type Start = SearchStretch & { readonly matrix: Matrix; readonly page: FirstPage }

/** The first page reads the served matrix, the ones after it stay on that revision. */
function startOf(
  { matrices }: AuthzenRouteDeps,
  tokens: PageTokens,
  body: JsonObject,
  question: unknown,
): Start {
  const { token, limit, properties } = optionalObject(body, 'page') ?? {}
  const asked = { limit: readLimit(limit), properties }
  optionalObject(asked, 'properties', 'page/')
  if (token !== undefined && typeof token !== 'string') {
    throw failureOf({ field: 'page/token', message: 'must be a string' })
  }
  const matrix = matrices.current()
  // Some clients send the empty token of a first page along.
  if (!token) return { matrix, from: 0, limit: pageSize(asked.limit), page: firstPage(asked) }
  const { revision, position, page } = tokens.read(token, question, asked)
  return {
    matrix: heldMatrix(matrices, revision),
    from: position,
    limit: pageSize(page.limit),
    page,
  }
}

/** Whatever is asked for, a page has its bound; what was asked for is kept as it was sent. */
function pageSize(limit = MAX_PAGE): number {
  return Math.min(limit, MAX_PAGE)
}

function heldMatrix(matrices: AuthzenRouteDeps['matrices'], revision: number): Matrix {
  try {
    return matrices.at(revision)
  } catch (cause) {
    if (!(cause instanceof Failure) || cause.code !== 'gone') throw cause
    const message = 'page/token has expired: begin the search again'
    throw new Failure('invalid', message, { field: 'page/token', cause })
  }
}

function readLimit(limit: unknown): number | undefined {
  if (limit === undefined) return undefined
  if (typeof limit === 'number' && Number.isInteger(limit) && limit >= 0) return limit
  throw failureOf({ field: 'page/limit', message: 'must be a whole number, 0 or more' })
}

/** A full page, or the last one, in slices between which checks on the same thread get their turn. */
async function collect(
  hits: (stretch: SearchStretch) => Page<string>,
  start: SearchStretch,
  pause: Pause,
): Promise<Page<string>> {
  const items: string[] = []
  let { from } = start
  for (;;) {
    const slice = hits({ from, limit: start.limit - items.length })
    items.push(...slice.items)
    const { next } = slice
    // What ends where it began ends on a hit for which a page of limit 0 has no room.
    if (next === undefined || next === from) return { items, next }
    if (start.limit > 0 && items.length >= start.limit) return { items, next }
    from = next
    if (!(await pause())) return { items, next }
  }
}
