import { ALL_DIVISIONS } from '../domain/facts.ts'
import { policyMatches } from '../domain/permission.ts'
import { listIn, objectIn, optionalTextsIn, textIn } from './answer-shape.ts'
import { isUntold } from './read-organization.ts'
import type { SdkSession } from './sdk.ts'

export type HeldPolicy = {
  readonly domain: string
  readonly entity: string
  readonly actions: readonly string[]
  /** Held in every division. */
  readonly everywhere: boolean
}

/** Where the client holds a permission, by the policies of its roles. */
export function holding(
  permission: string,
  held: readonly HeldPolicy[],
): 'everywhere' | 'somewhere' | 'nowhere' {
  const [domain = '', entity = '', action = ''] = permission.split(':')
  const giving = held.filter((policy) => policyMatches(policy, { domain, entity, action }))
  if (giving.length === 0) return 'nowhere'
  return giving.some((policy) => policy.everywhere) ? 'everywhere' : 'somewhere'
}

/** The policies of our own client's roles; undefined when the platform does not tell. */
export async function readOwnPolicies(
  sdk: SdkSession,
  clientId: string,
): Promise<readonly HeldPolicy[] | undefined> {
  const { authorization } = sdk
  const answer =
    (await authorization.getAuthorizationSubjectsMe({}).catch(unlessUntold)) ??
    (await authorization.getAuthorizationSubject(clientId, {}).catch(unlessUntold))
  if (answer === undefined) return undefined
  const where = 'the grants of our own client'
  return listIn(objectIn(answer, where), 'grants', where).flatMap((item) => {
    const grant = objectIn(item, where)
    const division = textIn(objectIn(grant['division'], where), 'id', where)
    const role = objectIn(grant['role'], where)
    // Roles without policies are common; what is left out here is reported as missing.
    const policies = Array.isArray(role['policies']) ? role['policies'] : []
    return policies.flatMap((value) => mapOwnPolicy(value, division === ALL_DIVISIONS))
  })
}

function mapOwnPolicy(value: unknown, everywhere: boolean): HeldPolicy[] {
  const where = 'a policy of our own client'
  const policy = objectIn(value, where)
  const { domain, entityName, condition } = policy
  // Conditions speak of resources, which none of our requests names.
  if (typeof domain !== 'string' || typeof entityName !== 'string' || condition) return []
  const actions = optionalTextsIn(policy, 'actions', where)
  return [{ domain, entity: entityName, actions, everywhere }]
}

function unlessUntold(error: unknown): undefined {
  if (!isUntold(error)) throw error
  return undefined
}
