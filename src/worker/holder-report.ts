import { setImmediate as nextTurn } from 'node:timers/promises'
import { Failure } from '../domain/failure.ts'
import { findHolder, listHolders } from '../domain/listing.ts'
import type { Holder } from '../domain/listing.ts'
import type { Matrix } from '../domain/matrix.ts'
import { nearestName } from '../domain/permission.ts'
import type { ReportChart } from '../domain/report.ts'
import type { PastState } from './archive-replay.ts'
import type { TrailSince } from './archive-trail.ts'
import type { ReportContent } from './report-content.ts'
import { Tally } from './tally.ts'

/** Holders looked at before checks on the same thread get their turn. */
const PAGE = 200

type HolderOptions = {
  readonly permission: string
  readonly now: Matrix
  /** Undefined when only the present is asked for. */
  readonly past?: (PastState & { readonly trail: TrailSince }) | undefined
}

type Told = {
  readonly totals: Readonly<Record<string, number>>
  readonly charts: readonly ReportChart[]
}

/** A row for everyone who holds the permission now, held it then, or may have held it then. */
export async function writeHolders(content: ReportContent, options: HolderOptions): Promise<Told> {
  const { permission, now, past } = options
  const told = new HolderTally()
  const add = async (id: string): Promise<void> => {
    const [holds, held] = [holderIn(now, permission, id), holderIn(past?.matrix, permission, id)]
    const certain = past ? isCertain(past, permission, id, held !== undefined) : null
    // Whoever has no part in it in any state that is possible.
    if (!holds && !held && certain !== false) return
    const row = rowOf(id, { holds, held, past, now })
    const place = await content.add({ ...row, certain })
    if (place !== undefined) told.add(holds, held, certain)
  }
  if (past) for await (const { id } of holders(past.matrix, permission)) await add(id)
  for await (const { id } of holders(now, permission)) {
    if (!holderIn(past?.matrix, permission, id)) await add(id)
  }
  for (const id of past?.doubts.keys() ?? []) {
    if (!holderIn(now, permission, id) && !holderIn(past?.matrix, permission, id)) await add(id)
  }
  return past ? told.ofBoth() : told.ofNow()
}

type Sides = {
  readonly holds: Holder | undefined
  readonly held: Holder | undefined
  readonly past: HolderOptions['past']
  readonly now: Matrix
}

function rowOf(id: string, { holds, held, past, now }: Sides) {
  const user = holds ?? held ?? subjectIn(now, id) ?? subjectIn(past?.matrix, id)
  return {
    userName: user?.name ?? id,
    userId: id,
    email: user?.email ?? '',
    kind: user?.kind ?? '',
    heldThen: past ? held !== undefined : null,
    conditionalThen: held?.conditional ?? null,
    sourcesThen: sourcesOf(held),
    heldNow: holds !== undefined,
    conditionalNow: holds?.conditional ?? null,
    sourcesNow: sourcesOf(holds),
    changes: past?.trail.users.get(id)?.entries ?? [],
  }
}

function subjectIn(matrix: Matrix | undefined, id: string) {
  const subject = matrix?.findSubject(id) ?? -1
  return subject < 0 ? undefined : matrix?.subject(subject)
}

/** Whether the user held it, or did not, in every state that the trail leaves possible. */
function isCertain(
  { trail, doubts, otherwise }: NonNullable<HolderOptions['past']>,
  permission: string,
  id: string,
  held: boolean,
): boolean {
  if (!trail.complete) return false
  const told = doubts.get(id)
  if (told === undefined) return true
  return told && (holderIn(otherwise, permission, id) !== undefined) === held
}

function sourcesOf(holder: Holder | undefined): readonly string[] {
  return (holder?.sources ?? []).map(({ role, division, via, outcome }) => {
    const group = via.type === 'group' ? ` through ${via.name}` : ''
    const condition = outcome === 'conditional' ? ' under a condition' : ''
    return `${role.name} in ${division.name}${group}${condition}`
  })
}

function holderIn(matrix: Matrix | undefined, permission: string, id: string): Holder | undefined {
  if (!matrix) return undefined
  return findHolder(matrix, matrix.findPermission(permission), matrix.findSubject(id))
}

async function* holders(matrix: Matrix, permission: string): AsyncGenerator<Holder> {
  const index = matrix.findPermission(permission)
  if (index < 0) return
  for (let from: number | undefined = 0; from !== undefined; await nextTurn()) {
    const page: ReturnType<typeof listHolders> = listHolders(matrix, index, { from, limit: PAGE })
    yield* page.items
    from = page.next
  }
}

/** Counts holders by role and division; one who holds it in two ways counts for both. */
class HolderTally {
  readonly #now = { roles: new Tally(), divisions: new Tally() }
  readonly #then = { roles: new Tally(), divisions: new Tally() }
  readonly #counts = { rows: 0, heldThen: 0, heldNow: 0, notCertain: 0 }

  add(now: Holder | undefined, then: Holder | undefined, certain: boolean | null): void {
    this.#counts.rows += 1
    if (now) this.#counts.heldNow += 1
    if (then) this.#counts.heldThen += 1
    if (certain === false) this.#counts.notCertain += 1
    for (const [holder, tallies] of [
      [now, this.#now],
      [then, this.#then],
    ] as const) {
      const sources = holder?.sources ?? []
      for (const name of new Set(sources.map(({ role }) => role.name))) tallies.roles.add(name)
      for (const name of new Set(sources.map(({ division }) => division.name))) {
        tallies.divisions.add(name)
      }
    }
  }

  ofNow(): Told {
    const { rows, heldNow } = this.#counts
    const { roles, divisions } = this.#now
    return {
      totals: { rows, heldNow },
      charts: [roles.chart('Holders by role'), divisions.chart('Holders by division')],
    }
  }

  ofBoth(): Told {
    return {
      totals: this.#counts,
      charts: [
        this.#then.roles.chart('Holders then, by role'),
        this.#now.roles.chart('Holders now, by role'),
        this.#then.divisions.chart('Holders then, by division'),
        this.#now.divisions.chart('Holders now, by division'),
      ],
    }
  }
}

/** Throws `invalid` when none of the matrices knows the permission. */
export function requirePermission(permission: string, matrices: readonly Matrix[]): void {
  if (matrices.some((matrix) => matrix.findPermission(permission) >= 0)) return
  const nearest = nearestName(
    permission,
    matrices.flatMap((each) => [...each.permissionCodes()]),
  )
  const hint = nearest === undefined ? '' : `; the nearest known one is ${nearest}`
  throw new Failure('invalid', `there is no permission ${permission}${hint}`, {
    field: 'permission',
  })
}
