import type { CreateTableBuilder } from 'kysely'
import type { DatabaseKind } from '../dialect.ts'

/** A key that rises with every row and is never given twice. */
export function numbered(
  table: CreateTableBuilder<string>,
  kind: DatabaseKind,
): CreateTableBuilder<string, 'number'> {
  return kind === 'sqlite'
    ? table.addColumn('number', 'integer', (column) => column.primaryKey().autoIncrement())
    : table.addColumn('number', 'bigint', (column) =>
        column.primaryKey().generatedAlwaysAsIdentity(),
      )
}
