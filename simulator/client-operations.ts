import { type Call, json, type Operation, parameter } from './operation.ts'
import { cut, listing } from './paging.ts'
import { notFound } from './platform-error.ts'
import type { ClientRecord } from './records.ts'

const CLIENTS = '/api/v2/oauth/clients'
const VIEW_CLIENTS = ['oauth:client:view']

/** The listing knows no paging parameters: all clients come at once. */
const EVERYTHING = { size: 1000, number: 1 }

function clientText(call: Call, client: ClientRecord): string {
  const roleDivisions = call.world.grants
    .ofSubject(client.id)
    .map(({ roleId, divisionId }) => ({ roleId, divisionId }))
  return JSON.stringify({
    id: client.id,
    name: client.name,
    authorizedGrantType: 'CLIENT-CREDENTIALS',
    scope: [],
    roleDivisions,
    state: 'active',
    selfUri: `${CLIENTS}/${client.id}`,
  })
}

const listClients: Operation = {
  method: 'GET',
  path: CLIENTS,
  permissions: VIEW_CLIENTS,
  handle(call) {
    const clients = [...call.world.clients.values()]
    const entities = cut(clients, EVERYTHING).map((client) => clientText(call, client))
    const { path, query } = call
    return json(listing({ path, query, page: EVERYTHING, total: clients.length, entities }))
  },
}

const readClient: Operation = {
  method: 'GET',
  path: `${CLIENTS}/{clientId}`,
  permissions: VIEW_CLIENTS,
  handle(call) {
    const id = parameter(call, 'clientId')
    const client = call.world.clients.get(id)
    if (client === undefined) throw notFound('client', id)
    return json(clientText(call, client))
  },
}

export const clientOperations: readonly Operation[] = [listClients, readClient]
