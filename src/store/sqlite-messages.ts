import type { SQLInputValue } from 'node:sqlite'

/** How the thread is to open its database. */
export type SqliteSetup = {
  readonly path: string
  /** Largest size in pages of 4 KiB; for tests of a full disk. */
  readonly maxPages?: number | undefined
}

export type ToSqliteThread =
  | {
      readonly type: 'run'
      readonly id: number
      readonly sql: string
      readonly parameters: readonly SQLInputValue[]
    }
  | { readonly type: 'close' }

export type SqliteAnswer = {
  readonly rows: readonly unknown[]
  /** Rows that a statement without result has changed. */
  readonly changes: number
}

export type FromSqliteThread =
  | { readonly type: 'answer'; readonly id: number; readonly answer: SqliteAnswer }
  | { readonly type: 'fault'; readonly id: number; readonly message: string }
