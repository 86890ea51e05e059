import type { ChainHead } from './audit.ts'

export const REPORT_KINDS = ['changes', 'user-history', 'permission-holders', 'conflicts'] as const
export type ReportKind = (typeof REPORT_KINDS)[number]

/** What is reported; times are ISO 8601, `from` inclusive, `to` exclusive. Users go by id. */
export type ReportRequest =
  | {
      readonly kind: 'changes'
      readonly from: string
      readonly to: string
      readonly userId?: string | undefined
      readonly actor?: string | undefined
    }
  | {
      readonly kind: 'user-history'
      readonly userId: string
      readonly from?: string | undefined
      readonly to?: string | undefined
    }
  /** Without `at`: who holds it now. With it: who held it then, and who holds it now. */
  | {
      readonly kind: 'permission-holders'
      readonly permission: string
      readonly at?: string | undefined
    }
  | { readonly kind: 'conflicts' }

export type ReportCell = string | number | boolean | null | readonly string[]
export type ReportRow = Readonly<Record<string, ReportCell>>

/** `printed`: also on the page for people; JSON and CSV have all columns. */
export type ReportColumn = {
  readonly name: string
  readonly title: string
  readonly printed: boolean
}

/** Counted things, for a chart. */
export type ReportChart = {
  readonly title: string
  readonly bars: readonly { readonly label: string; readonly count: number }[]
}

/** Everything of a report but its rows. */
export type ReportHead = {
  readonly kind: ReportKind
  readonly request: ReportRequest
  readonly title: string
  readonly organization: { readonly id: string; readonly name: string }
  readonly period: { readonly from: string | null; readonly to: string | null }
  readonly generatedAt: string
  readonly requestedBy: string
  /** Revision of the matrix that names, holders and conflicts come from; null for none. */
  readonly revision: number | null
  /** When what that matrix holds was read. */
  readonly asOf: string | null
  /** The end of the audit chain when the report was begun. */
  readonly chain: ChainHead
  readonly totals: Readonly<Record<string, number>>
  readonly charts: readonly ReportChart[]
  /** What a reader has to know, in words. */
  readonly notes: readonly string[]
  /** Only the first rows are told; the totals count them alone. */
  readonly truncated: boolean
}

const column = (name: string, title: string, printed = true): ReportColumn => {
  return { name, title, printed }
}

const HISTORY_COLUMNS: readonly ReportColumn[] = [
  column('sequence', 'No.'),
  column('time', 'Time (UTC)'),
  column('action', 'What'),
  column('outcome', 'Outcome'),
  column('actor', 'By whom'),
  column('userName', 'User'),
  column('userId', 'User id', false),
  column('before', 'Before'),
  column('after', 'After'),
  column('details', 'Details'),
  column('subjectId', 'Batch, rebuild or report', false),
  column('requestId', 'Request', false),
  column('hash', 'Hash', false),
]

/** The columns of each kind, in order; rows have a member for each. */
export const REPORT_COLUMNS: Readonly<Record<ReportKind, readonly ReportColumn[]>> = {
  changes: HISTORY_COLUMNS,
  'user-history': HISTORY_COLUMNS,
  'permission-holders': [
    column('userName', 'Name'),
    column('userId', 'Id', false),
    column('email', 'Email'),
    column('kind', 'Kind'),
    column('heldThen', 'Held then'),
    column('heldNow', 'Holds now'),
    column('conditional', 'Under a condition'),
    column('sources', 'Through'),
    column('changes', 'Changes recorded meanwhile'),
  ],
  conflicts: [
    column('rule', 'Rule'),
    column('userName', 'User'),
    column('userId', 'User id', false),
    column('roles', 'Roles'),
    column('permissions', 'Permissions'),
    column('division', 'Division'),
    column('message', 'Conflict'),
  ],
}

/** Who asked for a report. */
export type ReportOrigin = { readonly requestedBy: string; readonly requestId: string }

/** Reports being made. */
export interface Reports {
  /**
   * Records the request with its audit entry and queues the making. Throws `overloaded` when too
   * many wait already, `store-unavailable` when it cannot be recorded.
   */
  start(request: ReportRequest, origin: ReportOrigin): Promise<{ readonly id: string }>
}
