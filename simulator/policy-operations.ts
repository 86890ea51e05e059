import { json, type Operation } from './operation.ts'
import { cutByCursor } from './paging.ts'
import type { AccessPolicyRecord } from './records.ts'

const MAX_POLICIES_PAGE = 100
const POLICIES = '/api/v2/authorization/policies'

function policyEntity(policy: AccessPolicyRecord): object {
  const { id, name, targetResource, subject, effect, active, applyToClients, description } = policy
  return {
    id,
    name,
    targetResource,
    subject,
    effect,
    ...(description !== undefined && { description }),
    active,
    applyToClients,
    selfUri: `${POLICIES}/${id}`,
  }
}

/** Attribute-based access policies; most organisations have none. */
const listPolicies: Operation = {
  method: 'GET',
  path: POLICIES,
  query: ['after', 'pageSize'],
  permissions: ['authorization:policy:view'],
  handle(call) {
    const slice = cutByCursor(call.world.accessPolicies, call.query, {
      parameter: 'after',
      max: MAX_POLICIES_PAGE,
    })
    const self = `${POLICIES}?pageSize=${slice.size}`
    return json(
      JSON.stringify({
        entities: slice.items.map(policyEntity),
        ...(slice.next !== undefined && { nextUri: `${self}&after=${slice.next}` }),
        selfUri: self,
      }),
    )
  },
}

const readSettings: Operation = {
  method: 'GET',
  path: '/api/v2/authorization/settings',
  handle: () => json('{"analysisEnabled":false,"analysisDays":30}'),
}

export const policyOperations: readonly Operation[] = [listPolicies, readSettings]
