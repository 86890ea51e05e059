import { createSqliteDatabase } from '../store/support/test-database.ts'
import { testArchitecture } from './support/architecture-contract.ts'

testArchitecture(createSqliteDatabase)
