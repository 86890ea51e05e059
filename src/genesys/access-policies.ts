import { listIn, objectIn } from './answer-shape.ts'
import type { FactsReader } from './facts-reader.ts'
import { isUntold } from './read-organization.ts'

const PAGE = 100
/** Nobody has so many; what goes on beyond is a cursor that leads nowhere. */
const MAX_PAGES = 50

/**
 * How many attribute-based access policies are active: they can deny beyond roles. Null when the
 * platform does not say. The first request is planned by the caller.
 */
export async function countAccessPolicies(reader: FactsReader): Promise<number | null> {
  let active = 0
  let after: string | undefined
  for (let page = 1; page <= MAX_PAGES; page++) {
    if (page > 1) reader.progress.plan(1)
    const options = { pageSize: PAGE, after }
    const answer = await reader
      .call((sdk) => sdk.authorization.getAuthorizationPolicies(options))
      .catch(nullIfUntold)
      .finally(() => reader.progress.step())
    if (answer === null) return null
    const envelope = objectIn(answer, 'the access policies')
    for (const policy of listIn(envelope, 'entities', 'the access policies')) {
      if (objectIn(policy, 'an access policy')['active'] !== false) active += 1
    }
    const next = cursorIn(envelope['nextUri'])
    if (next === undefined) return active
    if (next === after) return null
    after = next
  }
  return null
}

function nullIfUntold(error: unknown): null {
  if (!isUntold(error)) throw error
  return null
}

function cursorIn(uri: unknown): string | undefined {
  if (typeof uri !== 'string' || uri === '') return undefined
  return new URLSearchParams(uri.slice(uri.indexOf('?') + 1)).get('after') ?? undefined
}
