import { checkRights } from './client-rights.ts'
import { type Call, noContent, type Operation, parameter } from './operation.ts'
import { badRequest, invalidValue, notFound } from './platform-error.ts'
import { list } from './request-body.ts'

interface ObjectKind {
  readonly permission: string
  move(call: Call, id: string, divisionId: string): void
  exists(call: Call, id: string): boolean
}

const USER: ObjectKind = {
  permission: 'directory:user:edit',
  exists: (call, id) => call.writes.latestUser(id) !== undefined,
  move(call, id, divisionId) {
    const user = call.writes.latestUser(id)
    if (user !== undefined) call.writes.putUser({ ...user, divisionId, version: user.version + 1 })
  },
}

const QUEUE: ObjectKind = {
  permission: 'routing:queue:edit',
  exists: (call, id) => call.writes.latestQueue(id) !== undefined,
  move(call, id, divisionId) {
    const queue = call.writes.latestQueue(id)
    if (queue !== undefined) call.writes.putQueue({ ...queue, divisionId })
  },
}

/**
 * Of the kinds that the platform knows, those that the simulator has. The definition declares no
 * permission for moving objects; the simulator asks for the right to edit what is moved.
 */
const KINDS: ReadonlyMap<string, ObjectKind> = new Map([
  ['USER', USER],
  ['QUEUE', QUEUE],
])

function idsOf(body: unknown): string[] {
  return list(body, 'The body').map((id) => {
    if (typeof id !== 'string' || id === '') throw badRequest('The body has to be a list of ids.')
    return id
  })
}

/** One unknown object spoils the whole call, before anything is moved. */
const assignObjects: Operation = {
  method: 'POST',
  path: '/api/v2/authorization/divisions/{divisionId}/objects/{objectType}',
  handle(call) {
    const type = parameter(call, 'objectType')
    const kind = KINDS.get(type)
    if (kind === undefined) throw invalidValue('objectType', type, [...KINDS.keys()].join(', '))
    checkRights(call.world, call.client.id, { permissions: [kind.permission] })
    const divisionId = parameter(call, 'divisionId')
    if (!call.world.divisions.has(divisionId)) throw notFound('division', divisionId)
    const ids = idsOf(call.body)
    const unknown = ids.find((id) => !kind.exists(call, id))
    if (unknown !== undefined) throw notFound(type, unknown)
    for (const id of ids) kind.move(call, id, divisionId)
    return noContent()
  },
}

export const divisionObjectOperations: readonly Operation[] = [assignObjects]
