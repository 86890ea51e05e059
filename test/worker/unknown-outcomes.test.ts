import { createSqliteDatabase } from '../store/support/test-database.ts'
import { testUnknownOutcomes } from './support/unknown-outcomes-contract.ts'

testUnknownOutcomes(createSqliteDatabase)
