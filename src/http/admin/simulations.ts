import { Failure } from '../../domain/failure.ts'
import type { MatrixWorkshop } from '../../domain/directory.ts'
import type { RoleChangeStore, Sunset } from '../../domain/role-change-store.ts'
import type { RoleRule } from '../../domain/role-rules.ts'
import type { ServedMatrices } from '../../domain/served.ts'
import type { SimulationQuestion } from '../../domain/simulation-text.ts'
import { readCursor, writeCursor } from '../cursor.ts'
import type { ListingQuestion } from '../cursor.ts'
import { DEFAULT_LIMIT } from '../schemas.ts'
import { createSlots } from '../slots.ts'
import { baseMatrix } from './base-matrix.ts'

export type SimulationDeps = {
  readonly matrices: ServedMatrices
  readonly workshop: Pick<MatrixWorkshop, 'simulate'>
  readonly roleChanges: Pick<RoleChangeStore, 'pendingSunsets'>
  readonly rules: readonly RoleRule[]
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** There is one thread for them, and a big one takes it for a second. */
const MAX_SIMULATIONS = 4
/** More grants than these do not end by themselves in any organisation that was seen. */
const MAX_SUNSETS = 10_000

export type SimulationAsked = {
  readonly change: SimulationQuestion['change']
  readonly baseRevision: number | undefined
  readonly page: { readonly limit?: string | undefined; readonly cursor?: string | undefined }
  /** What a cursor is good for. */
  readonly question: ListingQuestion
}

/** Answers with an object in JSON, written elsewhere: to be sent as it is. */
export type Simulate = (asked: SimulationAsked, more?: { readonly dryRun: true }) => Promise<Buffer>

/** Simulations of the whole plane: no more than {@link MAX_SIMULATIONS} at a time, `overloaded` beyond. */
export function createSimulations(deps: SimulationDeps): Simulate {
  const slots = createSlots(MAX_SIMULATIONS, 'simulations')
  return async (asked, more) => {
    const release = slots.take()
    try {
      return await answer(deps, asked, more)
    } finally {
      release()
    }
  }
}

async function answer(
  deps: SimulationDeps,
  { change, baseRevision, page, question }: SimulationAsked,
  more: object | undefined,
): Promise<Buffer> {
  const place = page.cursor === undefined ? undefined : readCursor(page.cursor, question)
  const matrix = baseMatrix(deps.matrices, place?.revision ?? baseRevision)
  const pending = await readSunsets(deps)
  const { json, nextOffset } = await deps.workshop.simulate(matrix.buffer, {
    change,
    rules: deps.rules,
    pendingSunsets: pending,
    now: deps.now(),
    limit: page.limit === undefined ? DEFAULT_LIMIT : Number(page.limit),
    offset: place?.position ?? 0,
  })
  const { revision } = matrix
  deps.matrices.hold(matrix)
  const rest = {
    sunsetsKnown: pending !== undefined,
    ...more,
    ...(nextOffset === undefined
      ? {}
      : { nextCursor: writeCursor({ revision, position: nextOffset }, question) }),
  }
  // What was written is an object with members: its closing brace gives way to the rest.
  const end = Buffer.from(`,${JSON.stringify(rest).slice(1)}`)
  return Buffer.concat([json.subarray(0, -1), end])
}

/** All sunsets to come; undefined when they are not known. Looking needs no database. */
async function readSunsets({
  roleChanges,
}: SimulationDeps): Promise<readonly Sunset[] | undefined> {
  try {
    const pending = await roleChanges.pendingSunsets({ limit: MAX_SUNSETS })
    return pending.length < MAX_SUNSETS ? pending : undefined
  } catch (error) {
    if (error instanceof Failure && error.code === 'store-unavailable') return undefined
    throw error
  }
}
