import { Failure } from '../domain/failure.ts'
import type { AskedCheck } from './check-file.ts'
import { openNamed } from './question.ts'
import { readList, reader } from './service-answer.ts'
import type { ServiceClient } from './service-client.ts'
import type { Session } from './session.ts'

/** A check as it was asked, by whom and where it was found, and its answer. */
export type Decision = {
  readonly user: string
  readonly userId: string
  readonly permission: string
  readonly division?: string
  readonly divisionId?: string
  readonly allowed: boolean
  readonly reason?: string
}

/** Checks sent together; the service takes up to 10,000. */
const BATCH = 1_000
const PATH = '/api/v1/check-permissions'

/**
 * Answers checks in their order. Users and divisions that are named otherwise than by id are looked
 * up first, each once, so that nothing is answered when one of them cannot be found.
 */
export async function* decide(
  session: Session,
  checks: readonly AskedCheck[],
): AsyncGenerator<Decision> {
  const users = new Set(checks.map(({ user }) => user))
  const divisions = new Set(checks.flatMap(({ division }) => division ?? []))
  const found = await openNamed(session, users, divisions)
  for (let start = 0; start < checks.length; start += BATCH) {
    if (checks.length > BATCH) session.progress.show(`${start} of ${checks.length} checks`)
    const some = checks.slice(start, start + BATCH)
    const asked = some.map(({ user, permission, division = '' }) => {
      const divisionId = found.divisionIds.get(division)
      const where = divisionId === undefined ? {} : { divisionId }
      return { userId: found.userIds.get(user) ?? user, permission, ...where }
    })
    const questions = asked.map((each, index) => ({ ...each, ...attributesIn(some[index]) }))
    const results = await ask(found.check, questions)
    for (const [index, { allowed, reason }] of results.entries()) {
      const { user = '', division } = some[index] ?? {}
      const where = division === undefined ? {} : { division }
      const why = reason === undefined ? {} : { reason }
      yield { user, ...where, ...(asked[index] as Asked), allowed, ...why }
    }
  }
}

type Asked = Pick<Decision, 'userId' | 'permission' | 'divisionId'>

function attributesIn({ attributes }: Partial<AskedCheck> = {}): object {
  return attributes === undefined ? {} : { attributes }
}

const readBatch = reader({ results: 'list' })
const readResult = reader({ allowed: 'boolean', reason: 'string?' })

async function ask(
  check: ServiceClient,
  checks: readonly object[],
): Promise<readonly ReturnType<typeof readResult>[]> {
  const { results } = await check.query(PATH, readBatch, { body: { checks } })
  if (results.length !== checks.length) {
    const message = `${PATH} gave ${results.length} results for ${checks.length} checks`
    throw new Failure('upstream-broken', message)
  }
  return readList(results, `a result of ${PATH}`, readResult)
}
