import { architectureOperations } from './architecture-operations.ts'
import { catalogueOperations } from './catalogue-operations.ts'
import { clientOperations } from './client-operations.ts'
import { divisionOperations } from './division-operations.ts'
import { grantOperations } from './grant-operations.ts'
import { groupOperations } from './group-operations.ts'
import type { Operation } from './operation.ts'
import { organizationOperations } from './organization-operations.ts'
import { policyOperations } from './policy-operations.ts'
import { roleOperations } from './role-operations.ts'
import { userOperations } from './user-operations.ts'
import { userSearchOperations } from './user-search.ts'

/** All that the simulator knows of the platform; every entry of the vendor's is held to the contract. */
export const operations: readonly Operation[] = [
  ...userOperations,
  ...userSearchOperations,
  ...roleOperations,
  ...grantOperations,
  ...divisionOperations,
  ...groupOperations,
  ...catalogueOperations,
  ...policyOperations,
  ...clientOperations,
  ...organizationOperations,
  ...architectureOperations,
]
