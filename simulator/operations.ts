import { aggregateOperations } from './aggregate-operations.ts'
import { architectureOperations } from './architecture-operations.ts'
import { catalogueOperations } from './catalogue-operations.ts'
import { clientOperations } from './client-operations.ts'
import { divisionObjectOperations } from './division-objects.ts'
import { divisionOperations } from './division-operations.ts'
import { grantOperations } from './grant-operations.ts'
import { groupOperations } from './group-operations.ts'
import type { Operation } from './operation.ts'
import { organizationOperations } from './organization-operations.ts'
import { policyOperations } from './policy-operations.ts'
import { queueMemberOperations } from './queue-member-operations.ts'
import { queueOperations } from './queue-operations.ts'
import { roleOperations } from './role-operations.ts'
import { userOperations } from './user-operations.ts'
import { userSearchOperations } from './user-search.ts'
import { userWriteOperations } from './user-writes.ts'

/** All that the simulator knows of the platform; every entry of the vendor's is held to the contract. */
export const operations: readonly Operation[] = [
  ...userOperations,
  ...userWriteOperations,
  ...userSearchOperations,
  ...roleOperations,
  ...grantOperations,
  ...divisionOperations,
  ...divisionObjectOperations,
  ...groupOperations,
  ...catalogueOperations,
  ...policyOperations,
  ...clientOperations,
  ...organizationOperations,
  ...queueOperations,
  ...queueMemberOperations,
  ...aggregateOperations,
  ...architectureOperations,
]
