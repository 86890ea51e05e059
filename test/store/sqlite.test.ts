import { testStore } from './support/store-contract.ts'
import { createSqliteDatabase } from './support/test-database.ts'

testStore(createSqliteDatabase)
