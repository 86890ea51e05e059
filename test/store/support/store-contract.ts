import { testAuditTrail } from './audit-contract.ts'
import { testDeliveries } from './delivery-contract.ts'
import { testOperations } from './operation-contract.ts'
import { testOrganization } from './organization-contract.ts'
import { testReports } from './report-contract.ts'
import { testRetention } from './retention-contract.ts'
import { testRoleChanges } from './role-change-contract.ts'
import { testSunsets } from './sunset-contract.ts'
import { testTampering } from './tamper-contract.ts'
import type { CreateDatabase } from './test-database.ts'

/** Everything that the store promises, to be run on each database. */
export function testStore(createDatabase: CreateDatabase): void {
  testAuditTrail(createDatabase)
  testTampering(createDatabase)
  testRetention(createDatabase)
  testRoleChanges(createDatabase)
  testSunsets(createDatabase)
  testOrganization(createDatabase)
  testReports(createDatabase)
  testOperations(createDatabase)
  testDeliveries(createDatabase)
}
