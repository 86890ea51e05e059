import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { TSchema } from 'typebox'
import type { Matrix, SubjectSummary } from '../../domain/matrix.ts'
import type { ServedMatrices } from '../../domain/served.ts'
import { nextPage, startPage } from '../listing-page.ts'
import { Cursor, Limit, NamedThing, pageOf, problems, SearchText } from '../schemas.ts'

const Query = Type.Object({
  q: Type.Optional(SearchText),
  limit: Type.Optional(Limit),
  cursor: Type.Optional(Cursor),
})

const SubjectSchema = Type.Object({
  id: Type.String(),
  kind: Type.Enum(['user', 'client']),
  name: Type.String(),
  email: Type.String({ description: 'Empty when the platform gives none' }),
  state: Type.Enum(['active', 'inactive', 'deleted']),
})
const DivisionSchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  home: Type.Boolean(),
})

/** Subjects looked at before checks on the same thread get their turn: about a millisecond. */
const SLICE = 2_000

/** `/admin/v1/users`, `/roles`, `/divisions`: who or what goes by a name, from the served matrix. */
export function lookUpRoutes(matrices: ServedMatrices): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    app.get(
      '/admin/v1/users',
      {
        schema: lookUp('findUsers', 'Users and clients by name, email or id', SubjectSchema),
      },
      async (request, reply) => {
        const wanted = request.query.q ?? ''
        const question = ['users', wanted]
        const { matrix, from, limit } = startPage(matrices, request.query, question)
        const abandoned = (): boolean => reply.raw.destroyed
        const { items, next } = await findSubjects(matrix, { wanted, from, limit, abandoned })
        return { items, ...nextPage(matrices, matrix, next, question) }
      },
    )
    app.get(
      '/admin/v1/roles',
      { schema: lookUp('findRoles', 'Roles by name or id', NamedThing) },
      (request, reply) => {
        const wanted = request.query.q ?? ''
        const question = ['roles', wanted]
        const { matrix, from, limit } = startPage(matrices, request.query, question)
        const role = (index: number) => matrix.role(index)
        const { items, next } = findNamed(matrix.roleCount, role, { wanted, from, limit })
        void reply.send({ items, ...nextPage(matrices, matrix, next, question) })
      },
    )
    app.get(
      '/admin/v1/divisions',
      { schema: lookUp('findDivisions', 'Divisions by name or id', DivisionSchema) },
      (request, reply) => {
        const wanted = request.query.q ?? ''
        const question = ['divisions', wanted]
        const { matrix, from, limit } = startPage(matrices, request.query, question)
        const division = (index: number) => matrix.division(index)
        const { items, next } = findNamed(matrix.divisionCount, division, { wanted, from, limit })
        void reply.send({ items, ...nextPage(matrices, matrix, next, question) })
      },
    )
    done()
  }
}

function lookUp<Item extends TSchema>(operationId: string, summary: string, item: Item) {
  return {
    operationId,
    summary,
    description: 'Part of a name in any case of letters, or a whole id; all without `q`.',
    tags: ['look-up'],
    querystring: Query,
    response: { 200: pageOf(item), ...problems(400, 401, 403, 410, 429, 503) },
  }
}

type Search = { readonly wanted: string; readonly from: number; readonly limit: number }
type Found<Item> = { readonly items: Item[]; readonly next: number | undefined }

async function findSubjects(
  matrix: Matrix,
  search: Search & { readonly abandoned: () => boolean },
): Promise<Found<SubjectSummary>> {
  const exact = matrix.findSubject(search.wanted)
  if (exact >= 0) return { items: [matrix.subject(exact)], next: undefined }
  const wanted = search.wanted.toLowerCase()
  const items: SubjectSummary[] = []
  for (let index = search.from; index < matrix.subjectCount; index++) {
    if ((index - search.from) % SLICE === SLICE - 1) {
      await nextTurn()
      if (search.abandoned()) break
    }
    const subject = matrix.subject(index)
    if (!`${subject.name}\n${subject.email}`.toLowerCase().includes(wanted)) continue
    if (items.length === search.limit) return { items, next: index }
    items.push(subject)
  }
  return { items, next: undefined }
}

function findNamed<Item extends { readonly id: string; readonly name: string }>(
  count: number,
  read: (index: number) => Item,
  search: Search,
): Found<Item> {
  const wanted = search.wanted.toLowerCase()
  const items: Item[] = []
  for (let index = search.from; index < count; index++) {
    const item = read(index)
    if (item.id !== search.wanted && !item.name.toLowerCase().includes(wanted)) continue
    if (items.length === search.limit) return { items, next: index }
    items.push(item)
  }
  return { items, next: undefined }
}
