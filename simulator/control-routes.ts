import type { FastifyInstance } from 'fastify'
import { FAULT_KINDS, type FaultKind, type FaultRule } from './faults.ts'
import type { Mutations, NewUser } from './mutations.ts'
import type { Platform } from './platform.ts'
import { badRequest } from './platform-error.ts'
import { number, object, text, word } from './request-body.ts'

interface FaultBody extends Omit<FaultRule, 'match'> {
  readonly match: { method?: string; path?: string; pathPattern?: string }
}

/** JSON has no expressions: `pathPattern` is the source of one, `path` is taken literally. */
function readFault(body: unknown): FaultRule {
  const given = object(body)
  const kind: FaultKind = word(given, 'kind', FAULT_KINDS)
  const { method, path, pathPattern } = object(given['match']) as FaultBody['match']
  const place = pathPattern === undefined ? path : new RegExp(pathPattern)
  if (place === undefined) throw badRequest('match needs a path or a pathPattern.')
  const rest = given as unknown as FaultBody
  return { ...rest, kind, match: { ...(method !== undefined && { method }), path: place } }
}

function describe(rule: FaultRule): object {
  const { path, ...match } = rule.match
  const place = typeof path === 'string' ? { path } : { pathPattern: path.source }
  return { ...rule, match: { ...match, ...place } }
}

function addFaultRoutes(app: FastifyInstance, platform: Platform): void {
  app.get('/simulator/faults', () =>
    platform.faults
      .list()
      .map(({ rule, matched, applied }) => ({ rule: describe(rule), matched, applied })),
  )
  app.post('/simulator/faults', (request, reply) => {
    platform.faults.add(readFault(request.body))
    return reply.code(201).send({ active: platform.faults.list().length })
  })
  app.delete('/simulator/faults', (_, reply) => {
    platform.faults.clear()
    return reply.code(204).send()
  })
}

function addWorldRoutes(app: FastifyInstance, platform: Platform, mutations: Mutations): void {
  app.get('/simulator/world', () => {
    platform.writes.settle()
    return { organization: platform.world.organization, counts: platform.world.counts() }
  })
  app.post('/simulator/users', (request, reply) => {
    const given = object(request.body)
    text(given, 'name')
    return reply.code(201).send(mutations.addUser(given as unknown as NewUser))
  })
  app.patch<{ Params: { id: string } }>('/simulator/users/:id', (request) =>
    mutations.updateUser(request.params.id, object(request.body)),
  )
  app.delete<{ Params: { id: string } }>('/simulator/users/:id', (request, reply) => {
    mutations.deleteUser(request.params.id)
    return reply.code(204).send()
  })
  for (const method of ['POST', 'DELETE'] as const) {
    app.route({
      method,
      url: '/simulator/grants',
      handler: (request, reply) => {
        const given = object(request.body)
        const change = method === 'POST' ? mutations.grant : mutations.revoke
        change(text(given, 'subjectId'), text(given, 'roleId'), text(given, 'divisionId'))
        return reply.code(204).send()
      },
    })
  }
}

function addArchitectureRoutes(app: FastifyInstance, { world }: Platform): void {
  app.put('/simulator/architecture', (request, reply) => {
    const { offered } = object(request.body)
    if (typeof offered !== 'boolean') throw badRequest('offered has to be true or false.')
    world.architecture.offered = offered
    return reply.code(204).send()
  })
  app.delete<{ Params: { id: string } }>('/simulator/architecture/:id', (request, reply) => {
    world.architecture.ipAllowlists.delete(request.params.id)
    world.architecture.environments.delete(request.params.id)
    return reply.code(204).send()
  })
}

function addTrafficRoutes(app: FastifyInstance, platform: Platform): void {
  app.get('/simulator/health', () => ({ status: 'up' }))
  app.get('/simulator/requests', () => platform.requests.toJSON())
  app.delete('/simulator/requests', (_, reply) => {
    platform.requests.reset()
    return reply.code(204).send()
  })
  app.delete('/simulator/tokens', (_, reply) => {
    platform.tokens.revokeAll()
    return reply.code(204).send()
  })
  app.put('/simulator/requests-per-minute', (request, reply) => {
    platform.requestRate.limit = number(object(request.body), 'limit')
    platform.requestRate.reset()
    return reply.code(204).send()
  })
}

/** The simulator's own switches, for callers in other processes. They ask for no token. */
export function addControlRoutes(
  app: FastifyInstance,
  platform: Platform,
  mutations: Mutations,
): void {
  addFaultRoutes(app, platform)
  addWorldRoutes(app, platform, mutations)
  addArchitectureRoutes(app, platform)
  addTrafficRoutes(app, platform)
}
