import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { test } from 'tap'
import type { Test } from 'tap'
import { SMALL_WORLD } from '../simulator/small-world.ts'
import { startUnderTest } from './end-to-end/support/service-under-test.ts'
import type { Answer, Caller } from './end-to-end/support/caller.ts'
import { buildPlane, openapiFile, PLANE_NAMES, writeDescription } from './support/write-openapi.ts'
import type { PlaneName } from './support/write-openapi.ts'

type Schema = Readonly<Record<string, unknown>>
type Content = Readonly<Record<string, { readonly schema: Schema }>>
type Parameter = {
  readonly name: string
  readonly in: string
  readonly required?: boolean
  readonly schema: Schema
}
type Operation = {
  readonly operationId: string
  readonly summary: string
  readonly description: string
  readonly tags: readonly string[]
  readonly security?: readonly Schema[]
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly content: Content }
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content: Content }>
  >
}
type Document = {
  readonly openapi: string
  readonly info: { readonly title: string; readonly version: string }
  readonly tags: readonly { readonly name: string }[]
  readonly security: readonly Schema[]
  readonly components: {
    readonly securitySchemes: Schema
    readonly schemas: Readonly<Record<string, Schema>>
  }
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

const METADATA = '/.well-known/authzen-configuration'
const PROBLEM = 'application/problem+json'

const published = (plane: PlaneName): Document =>
  JSON.parse(readFileSync(openapiFile(plane), 'utf8')) as Document

type Route = { readonly method: string; readonly path: string; readonly operation: Operation }

function routesOf({ paths }: Document): Route[] {
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({ method, path, operation })),
  )
}

/** Every object of a document, with where it stands. */
function* objectsIn(value: unknown, at = '#'): Generator<readonly [string, Schema]> {
  if (typeof value !== 'object' || value === null) return
  if (!Array.isArray(value)) yield [at, value as Schema]
  for (const [name, member] of Object.entries(value)) {
    yield* objectsIn(member, `${at}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`)
  }
}

/** Schemas by their place in a document, read as JSON Schema 2020-12. */
function compiler(document: object) {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  ajv.addSchema({ ...document, $id: 'https://document.example/' })
  return (place: string) => ajv.compile({ $ref: `https://document.example/${encodeURI(place)}` })
}

for (const plane of PLANE_NAMES) {
  test(`openapi/${plane}.json is what the ${plane} plane serves, byte for byte`, async (t) => {
    const current = await writeDescription(plane)
    t.ok(
      readFileSync(openapiFile(plane), 'utf8') === current,
      `openapi/${plane}.json is up to date, else run: npm run openapi`,
    )
    t.equal(await writeDescription(plane), current, 'it is the same each time')
  })

  test(`every route of the ${plane} plane is described`, async (t) => {
    const app = buildPlane(plane)
    t.teardown(() => app.close())
    const registered: string[] = []
    app.addHook('onRoute', ({ method, url, schema }) => {
      if (schema?.hide === true) {
        t.match(url, /^\/(docs|try\/)/, 'only the documentation hides itself, and what it tries')
        return
      }
      const path = url.replaceAll(/:(\w+)/g, '{$1}')
      const methods = [method].flat().filter((name) => name !== 'HEAD')
      registered.push(...methods.map((name) => `${name} ${path}`))
    })
    await app.ready()
    const described = routesOf(published(plane)).map(
      ({ method, path }) => `${method.toUpperCase()} ${path}`,
    )
    t.ok(registered.length >= 8)
    t.same(registered.toSorted(), described.toSorted())
  })

  test(`every operation of openapi/${plane}.json says what it does and answers`, (t) => {
    const document = published(plane)
    const names = new Set(document.tags.map(({ name }) => name))
    const ids = new Set<string>()
    for (const { method, path, operation } of routesOf(document)) {
      const { operationId, summary, description, tags, responses } = operation
      const where = `${method} ${path}`
      t.ok(summary && description, `${where} is described`)
      t.notOk(ids.has(operationId), `${where}: ${operationId} is its own name`)
      ids.add(operationId)
      t.ok(tags.length > 0 && tags.every((tag) => names.has(tag)), `${where} has a known tag`)
      const good = Object.keys(responses).filter((status) => /^2\d\d$/.test(status))
      t.ok(good.length > 0, `${where} documents success`)
      t.ok(responses['500'], `${where} documents a bug`)
      const open = operation.security?.length === 0
      t.equal(!open, '401' in responses && '403' in responses, `${where} documents refusals`)
      for (const [status, { content }] of Object.entries(responses)) {
        if (good.includes(status)) continue
        const { [PROBLEM]: problem, 'text/plain': message } = content
        // AuthZEN's errors are as that standard has them.
        if (path.startsWith('/access/')) t.equal(message?.schema['type'], 'string', where + status)
        else t.same(problem?.schema, { $ref: '#/components/schemas/Problem' }, where + status)
      }
    }
    t.end()
  })

  test(`openapi/${plane}.json is a valid OpenAPI 3.1 document`, (t) => {
    const document = published(plane)
    t.match(document, { openapi: /^3\.1\.\d$/, info: { title: /./, version: /./ } })
    const schemes = Object.keys(document.components.securitySchemes)
    for (const need of document.security) {
      t.ok(Object.keys(need).every((name) => schemes.includes(name)))
    }
    for (const { method, path, operation } of routesOf(document)) {
      const where = `${method} ${path}`
      t.match(method, /^(get|post|put|patch|delete)$/)
      const parameters = operation.parameters ?? []
      const inPath = parameters.filter((parameter) => parameter.in === 'path')
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name)
      t.same(inPath.map(({ name }) => name).toSorted(), named.toSorted(), `${where}: its path`)
      t.ok(inPath.every(({ required }) => required === true))
      const keys = parameters.map((parameter) => `${parameter.in} ${parameter.name}`)
      t.equal(new Set(keys).size, keys.length, `${where}: no parameter twice`)
      for (const response of Object.values(operation.responses)) t.ok(response.description, where)
    }
    const compile = compiler(document)
    let schemas = 0
    for (const [place, value] of objectsIn(document)) {
      if (typeof value['$ref'] === 'string') t.doesNotThrow(() => compile(value['$ref'] as string))
      if (!/\/(schema|schemas\/\w+)$/.test(place)) continue
      schemas += 1
      t.doesNotThrow(() => compile(place), place)
    }
    t.ok(schemas > 20)
    t.end()
  })

  test(`every example of openapi/${plane}.json is one`, (t) => {
    const document = published(plane)
    const compile = compiler(document)
    for (const [place, schema] of objectsIn(document)) {
      const { examples } = schema
      if (!Array.isArray(examples)) continue
      const validate = compile(place)
      for (const example of examples) t.ok(validate(example), place)
    }
    t.end()
  })
}

test('a check is described with all that may be asked', (t) => {
  for (const path of ['/check-permission', '/api/v1/check-permission']) {
    const parameters = published('check').paths[path]?.['get']?.parameters ?? []
    const shown = parameters.map(({ in: place, name, required }) => {
      return `${place} ${name}${required === true ? '' : '?'}`
    })
    t.same(shown.toSorted(), [
      'header x-minimum-revision?',
      'query divisionId?',
      'query explain?',
      'query permission',
      'query userId',
    ])
  }
  t.end()
})

/** What is not described counts as wrong: the schemas themselves let callers add members. */
function closed(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(closed)
  const copy = Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, closed(member)]),
  )
  const isObject = copy['type'] === 'object' && copy['properties'] !== undefined
  return isObject ? { ...copy, additionalProperties: false } : copy
}

/** Plane, path as described, path as asked, status, body. */
type Asked = readonly [PlaneName, string, string, number, unknown?]

test('live answers are as described', async (t) => {
  await using context = await startUnderTest({ env: { PUBLIC_URL: 'https://pdp.example.com' } })
  const { caller } = context
  const { users, divisions } = SMALL_WORLD
  const decision = {
    subject: { type: 'user', id: users.alice },
    action: { name: 'view' },
    resource: { type: 'routing:queue', id: divisions.support },
  }
  const fly = { action: { name: 'fly' } }
  const rebuild = await caller.rebuild()
  const batch = { checks: [{ userId: users.alice, permission: 'routing:queue:view' }] }
  const compact = { userId: users.alice, permissions: ['routing:queue:view'] }
  const question = `userId=${users.alice}&permission=routing:queue:view`
  const single = '/api/v1/check-permission'
  const byUser = '/api/v1/users/{userId}/permissions'
  const byPermission = '/api/v1/permissions/{permission}/users'
  const asked: readonly Asked[] = [
    ['check', single, `${single}?${question}`, 200],
    ['check', single, `${single}?${question}&divisionId=${divisions.support}`, 200],
    ['check', single, `${single}?${question}&explain=true`, 200],
    ['check', single, `${single}?userId=x&permission=routing:queue:views&explain=true`, 200],
    [
      'check',
      '/check-permission',
      `/check-permission?userId=${users.erin}&permission=quality:evaluation:view&explain=true`,
      200,
    ],
    ['check', single, single, 400],
    ['check', '/api/v1/check-permissions', '/api/v1/check-permissions', 200, batch],
    ['check', '/api/v1/check-permissions', '/api/v1/check-permissions', 200, compact],
    ['check', '/api/v1/check-permissions', '/api/v1/check-permissions', 400, {}],
    ['check', byUser, `/api/v1/users/${users.carol}/permissions?limit=3`, 200],
    ['check', byUser, '/api/v1/users/nobody/permissions', 404],
    ['check', byPermission, '/api/v1/permissions/quality:evaluation:view/users', 200],
    ['check', '/api/v1/permissions', '/api/v1/permissions?q=queue&limit=5', 200],
    ['check', '/access/v1/evaluation', '/access/v1/evaluation', 200, decision],
    ['check', '/access/v1/evaluation', '/access/v1/evaluation', 200, { ...decision, ...fly }],
    ['check', '/access/v1/evaluations', '/access/v1/evaluations', 200, decision],
    [
      'check',
      '/access/v1/evaluations',
      '/access/v1/evaluations',
      200,
      { evaluations: [decision, {}] },
    ],
    ...['subject', 'resource', 'action'].map((kind) => {
      const path = `/access/v1/search/${kind}`
      return ['check', path, path, 200, decision] as const
    }),
    ['check', METADATA, METADATA, 200],
    ['check', '/health/ready', '/health/ready', 200],
    ['check', '/health/live', '/health/live', 200],
    ['admin', '/admin/v1/matrix', '/admin/v1/matrix', 200],
    ['admin', '/admin/v1/rebuilds/{id}', `/admin/v1/rebuilds/${rebuild.id}`, 200],
    ['admin', '/admin/v1/rebuilds/{id}', '/admin/v1/rebuilds/none', 404],
    ['admin', '/admin/v1/rebuilds', '/admin/v1/rebuilds', 400, { allowShrink: 'yes' }],
    ['admin', '/admin/v1/users', '/admin/v1/users?q=alice', 200],
    ['admin', '/admin/v1/roles', '/admin/v1/roles', 200],
    ['admin', '/admin/v1/divisions', '/admin/v1/divisions', 200],
  ]
  await expectAll(t, caller, asked)
})

test('live answers about role changes and the trail are as described', async (t) => {
  await using context = await startUnderTest()
  const { caller } = context
  await caller.rebuild()
  const changes = '/admin/v1/role-changes'
  const reports = '/admin/v1/audit/reports'
  const updates = [{ userId: SMALL_WORLD.users.alice, newRoleIds: [] }]
  const changed = await caller.admin(changes, { body: { updates } })
  const { id } = changed.body as { id: string }
  const holders = { kind: 'permission-holders', permission: 'routing:queue:view' }
  await expectAll(t, caller, [
    ['admin', `${changes}/simulations`, `${changes}/simulations`, 200, { updates }],
    ['admin', `${changes}/simulations`, `${changes}/simulations`, 400, { updates: [] }],
    ['admin', changes, changes, 202, { updates }],
    ['admin', changes, changes, 200, { updates, dryRun: true }],
    ['admin', changes, changes, 200],
    ['admin', `${changes}/{id}`, `${changes}/${id}`, 200],
    ['admin', `${changes}/{id}`, `${changes}/none`, 404],
    ['admin', `${changes}/{id}/stop`, `${changes}/none/stop`, 404, {}],
    ['admin', '/admin/v1/audit/entries', '/admin/v1/audit/entries', 200],
    ['admin', '/admin/v1/audit/verification', '/admin/v1/audit/verification', 200],
    ['admin', reports, reports, 202, holders],
    ['admin', reports, reports, 400, { kind: 'none' }],
    ['admin', `${reports}/{id}`, `${reports}/none`, 404],
  ])
})

async function expectAll(t: Test, caller: Caller, asked: readonly Asked[]): Promise<void> {
  const compilers = {
    check: compiler(closed(published('check')) as object),
    admin: compiler(closed(published('admin')) as object),
  }
  for (const [plane, path, url, status, body] of asked) {
    const answer = await send(caller, plane, url, body)
    const method = body === undefined ? 'get' : 'post'
    const type = status < 300 ? 'application/json' : PROBLEM
    const place = ['#', 'paths', path, method, 'responses', String(status), 'content', type]
    const pointer = place.map((part) => part.replaceAll('/', '~1')).join('/')
    expectDescribed(t, answer, status, type, compilers[plane](`${pointer}/schema`))
  }
}

function send(caller: Caller, plane: PlaneName, url: string, body: unknown): Promise<Answer> {
  return plane === 'check' ? caller.check(url, { body }) : caller.admin(url, { body })
}

function expectDescribed(
  t: Test,
  answer: Answer,
  status: number,
  type: string,
  validate: ReturnType<ReturnType<typeof compiler>>,
): void {
  t.equal(answer.status, status, answer.text.slice(0, 200))
  t.match(answer.headers.get('content-type'), type)
  t.ok(validate(answer.body), JSON.stringify(validate.errors ?? answer.text))
}
