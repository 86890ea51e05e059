import type { Failure } from '../../domain/failure.ts'
import type { FieldChange } from '../../domain/json-difference.ts'
import type { Ended } from '../../genesys/run-items.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import type { Session } from '../session.ts'
import type { Column } from '../table-text.ts'

/** What became of a thing, or with `would-…` what would. */
type Outcome =
  | 'created'
  | 'changed'
  | 'unchanged'
  | 'unconfirmed'
  | 'failed'
  | 'not-started'
  | 'would-create'
  | 'would-change'

/** One thing that a command was to bring about. */
export type OutcomeRow = {
  /** How the file names it. */
  readonly name: string
  readonly outcome: Outcome
  readonly id?: string
  readonly changes: readonly FieldChange[]
  readonly error?: {
    readonly code: string
    readonly message: string
    readonly correlationId?: string
  }
}

type Done = {
  readonly outcome: Outcome
  readonly id: string | undefined
  readonly changes: readonly FieldChange[]
}

export function outcomeRow(name: string, ended: Ended<Done>): OutcomeRow {
  switch (ended.state) {
    case 'done': {
      const { id, outcome, changes } = ended.value
      return { name, outcome, ...(id !== undefined && { id }), changes }
    }
    case 'failed':
      return { name, outcome: 'failed', changes: [], error: errorOf(ended.failure) }
    case 'not-started':
      return { name, outcome: 'not-started', changes: [] }
  }
}

function errorOf({ code, message, upstream }: Failure): NonNullable<OutcomeRow['error']> {
  const correlationId = upstream?.correlationId ?? ''
  return { code, message, ...(correlationId !== '' && { correlationId }) }
}

/** @param what heads the column of names: `email`, `queue` */
export function outcomeColumns(what: string): readonly Column<OutcomeRow>[] {
  return [
    { name: what, value: ({ name }) => name },
    { name: 'outcome', value: ({ outcome }) => outcome },
    { name: 'changes', value: ({ changes }) => changes.map(changeText) },
    { name: 'error', value: ({ error }) => error?.message },
    { name: 'correlationId', value: ({ error }) => error?.correlationId },
    { name: 'id', value: ({ id }) => id },
  ]
}

function changeText({ field, before, after }: FieldChange): string {
  const [was, is] = [valueText(before), valueText(after)]
  if (was === '') return `${field}: ${is}`
  if (after === null) return `${field}: ${was}`
  return `${field}: ${was} → ${is === '' ? 'nothing' : is}`
}

function valueText(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'string') return value
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) {
    return value.join(', ')
  }
  return JSON.stringify(value)
}

/**
 * Prints what became of each thing and says how the process ends: 4 when a part was done, 3 when
 * nothing was. An interruption is thrown once all is told.
 */
export async function reportOutcomes(
  session: Session,
  what: string,
  rows: readonly OutcomeRow[],
): Promise<ExitCode> {
  await session.output.rows(rows, outcomeColumns(what))
  const undone = rows.filter(({ outcome }) => UNDONE.has(outcome)).length
  const begun = rows.filter(({ outcome }) => outcome !== 'not-started').length
  if (session.signal.aborted) {
    session.resumeWith(
      `${rows.length - begun} of ${rows.length} were not begun: run the same command again to go on`,
    )
    throw session.signal.reason
  }
  if (undone === 0) return EXIT.done
  await session.note(
    `${undone} of ${rows.length} are not done: run the same command again once the errors are mended`,
  )
  return undone === rows.length ? EXIT.upstream : EXIT.partial
}

const UNDONE: ReadonlySet<Outcome> = new Set(['failed', 'not-started', 'unconfirmed'])
