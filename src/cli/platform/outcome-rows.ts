import type { Failure } from '../../domain/failure.ts'
import type { FieldChange } from '../../domain/json-difference.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import type { Column } from '../table-text.ts'

/**
 * What became of a thing, or with `would-…` what would. `unconfirmed`: all was written, and the
 * platform does not show it yet. `interrupted`: what became of it is not known.
 */
type Outcome =
  | 'created'
  | 'changed'
  | 'unchanged'
  | 'unconfirmed'
  | 'failed'
  | 'interrupted'
  | 'not-started'
  | 'would-create'
  | 'would-change'

/** One thing that a command was to bring about. */
export type OutcomeRow = {
  /** How the file names it. */
  readonly name: string
  readonly outcome: Outcome
  readonly id?: string
  /** Of what failed: it did not exist before. */
  readonly created?: boolean
  readonly changes: readonly FieldChange[]
  readonly error?: {
    readonly code: string
    readonly message: string
    readonly correlationId?: string
  }
}

/** How a thing ended; what failed may have been done in part. */
export type EndedItem =
  | {
      readonly state: 'done'
      readonly value: {
        readonly outcome: Outcome
        readonly id: string | undefined
        readonly changes: readonly FieldChange[]
      }
    }
  | {
      readonly state: 'failed'
      readonly failure: Failure
      /** What was done before it failed. */
      readonly created?: boolean
      readonly id?: string | undefined
      readonly changes?: readonly FieldChange[]
    }
  | { readonly state: 'not-started' }

export function outcomeRow(name: string, ended: EndedItem): OutcomeRow {
  switch (ended.state) {
    case 'done': {
      const { id, outcome, changes } = ended.value
      return { name, outcome, ...(id !== undefined && { id }), changes }
    }
    case 'failed': {
      const { id, created = false, changes = [], failure } = ended
      const done = { ...(id !== undefined && { id }), ...(created && { created }), changes }
      return { name, outcome: 'failed', ...done, error: errorOf(failure) }
    }
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
    { name: what, value: ({ name }) => name, whole: true },
    { name: 'outcome', value: ({ outcome }) => outcome },
    { name: 'changes', value: ({ changes }) => changes.map(changeText), wrap: true },
    { name: 'error', value: ({ error }) => error?.message, wrap: true },
    { name: 'correlationId', value: ({ error }) => error?.correlationId, whole: true },
    { name: 'id', value: ({ id }) => id, whole: true },
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

const UNDONE: ReadonlySet<Outcome> = new Set(['failed', 'interrupted', 'not-started'])

/** 1 when a plan would change anything. */
export function exitCodeOfPlan(rows: readonly OutcomeRow[]): ExitCode {
  return rows.every(({ outcome }) => outcome === 'unchanged') ? EXIT.done : EXIT.denied
}

/** 0 when all is done, 4 when a part is, also a part of one thing, 3 when nothing is. */
export function exitCodeOfOutcomes(rows: readonly OutcomeRow[]): ExitCode {
  const undone = rows.filter(({ outcome }) => UNDONE.has(outcome))
  if (undone.length === 0) return EXIT.done
  return undone.length === rows.length && !rows.some(isBegun) ? EXIT.upstream : EXIT.partial
}

function isBegun({ created = false, changes }: OutcomeRow): boolean {
  return created || changes.length > 0
}

/** How many of the things are not done, and why; then `next`, which alone is said when all are. */
export function summaryOf(rows: readonly OutcomeRow[], next: string): string {
  const count = (wanted: Outcome): number => {
    return rows.filter(({ outcome }) => outcome === wanted).length
  }
  const begun = rows.some((row) => row.outcome === 'failed' && isBegun(row))
  const parts = [
    [count('not-started'), 'not begun'],
    [count('failed'), begun ? 'failed, some of them in part' : 'failed'],
    [count('interrupted'), 'interrupted (what came of them is not known)'],
    [count('unconfirmed'), 'written and not shown by the platform yet'],
  ] as const
  const [first, ...others] = parts.filter(([number]) => number > 0)
  if (first === undefined) return next
  const told = [`${first[0]} of ${rows.length} ${first[1]}`]
  for (const [number, text] of others) told.push(`${number} ${text}`)
  return `${told.join(', ')}; ${next}`
}
