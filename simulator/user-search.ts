import { type Call, json, type Operation } from './operation.ts'
import { cut, type Page } from './paging.ts'
import { badRequest, invalidValue, PlatformError } from './platform-error.ts'
import { listParameter, textParameter } from './query.ts'
import type { UserRecord } from './records.ts'
import { object } from './request-body.ts'
import { userText } from './user-json.ts'

const MAX_SEARCH_PAGE = 100
const MAX_RESULTS = 10_000
const VIEW_USERS = ['directory:user:view']

interface Criterion {
  readonly type?: string
  readonly operator?: string
  readonly fields?: readonly string[]
  readonly value?: string
  readonly values?: readonly string[]
  readonly group?: readonly Criterion[]
}

interface SearchRequest {
  readonly pageSize?: number
  readonly pageNumber?: number
  readonly expand?: readonly string[]
  readonly query?: readonly Criterion[]
}

function fieldTexts(user: UserRecord, field: string): string[] {
  const known: Record<string, readonly string[]> = {
    id: [user.id],
    name: [user.name],
    email: [user.email],
    state: [user.state],
    department: user.department === undefined ? [] : [user.department],
    title: user.title === undefined ? [] : [user.title],
    divisionId: [user.divisionId],
    groups: user.groups,
  }
  return (known[field] ?? []).map((text) => text.toLowerCase())
}

function compare(type: string, text: string, wanted: string): boolean {
  if (type === 'STARTS_WITH') return text.startsWith(wanted)
  if (type === 'EXACT' || type === 'TERMS') return text === wanted
  return text.includes(wanted)
}

function meets(user: UserRecord, criterion: Criterion): boolean {
  if (criterion.group !== undefined && criterion.group.length > 0) {
    return meetsAll(user, criterion.group)
  }
  const type = criterion.type ?? 'EXACT'
  if (type === 'MATCH_ALL') return true
  const wanted = [criterion.value ?? [], criterion.values ?? []].flat()
  return (criterion.fields ?? ['name', 'email']).some((field) =>
    fieldTexts(user, field).some((text) =>
      wanted.some((value) => compare(type, text, value.toLowerCase())),
    ),
  )
}

/** AND unless a criterion says OR or NOT; a NOT always excludes. */
function meetsAll(user: UserRecord, criteria: readonly Criterion[]): boolean {
  const either = criteria.filter((criterion) => criterion.operator === 'OR')
  const rest = criteria.filter((criterion) => criterion.operator !== 'OR')
  return (
    rest.every((criterion) => meets(user, criterion) === (criterion.operator !== 'NOT')) &&
    (either.length === 0 || either.some((criterion) => meets(user, criterion)))
  )
}

function pageOf(request: SearchRequest): Page {
  const size = request.pageSize ?? 25
  const number = request.pageNumber ?? 1
  if (!Number.isInteger(size) || size < 1 || size > MAX_SEARCH_PAGE) {
    throw invalidValue('pageSize', String(size), `1 to ${MAX_SEARCH_PAGE}`)
  }
  if (!Number.isInteger(number) || number < 1) {
    throw invalidValue('pageNumber', String(number), '1 or more')
  }
  if (size * number > MAX_RESULTS) {
    const message = `A search gives no more than ${MAX_RESULTS} results.`
    throw new PlatformError(400, 'too.many.requested.results', message)
  }
  return { size, number }
}

function search(call: Call, request: SearchRequest) {
  const page = pageOf(request)
  const criteria = request.query ?? []
  const users = call.writes.searchableUsers().filter((user) => meetsAll(user, criteria))
  const expand = request.expand ?? []
  const results = cut(users, page).map((user) => userText(call.world, user, expand))
  const envelope = {
    total: users.length,
    pageCount: Math.ceil(users.length / page.size),
    pageSize: page.size,
    pageNumber: page.number,
    types: ['users'],
  }
  return json(`{"results":[${results.join(',')}],${JSON.stringify(envelope).slice(1)}`)
}

const searchByBody: Operation = {
  method: 'POST',
  path: '/api/v2/users/search',
  permissions: VIEW_USERS,
  handle: (call) => search(call, object(call.body)),
}

/** The search request comes as base64 of its JSON. */
const searchByLink: Operation = {
  method: 'GET',
  path: '/api/v2/users/search',
  query: ['q64', 'expand'],
  permissions: VIEW_USERS,
  handle(call) {
    const encoded = textParameter(call.query, 'q64') ?? ''
    let request: unknown
    try {
      request = JSON.parse(Buffer.from(encoded, 'base64').toString())
    } catch {
      throw badRequest('q64 is not a search request.')
    }
    return search(call, { expand: listParameter(call.query, 'expand'), ...object(request) })
  },
}

export const userSearchOperations: readonly Operation[] = [searchByBody, searchByLink]
