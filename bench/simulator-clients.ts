import {
  DEFAULT_CLIENT,
  GRANT_PERMISSIONS,
  READ_PERMISSIONS,
} from '../simulator/simulated-client.ts'
import type { SimulatedClient } from '../simulator/simulated-client.ts'

/** Reads the organisation; each client has a budget of its own. */
export const READ_CLIENT: SimulatedClient = DEFAULT_CLIENT

/** Changes grants. */
export const WRITE_CLIENT: SimulatedClient = {
  id: 'c11e0000-0000-4000-8000-000000000002',
  secret: 'bench-write-secret',
  name: 'Role changes',
  permissions: [...READ_PERMISSIONS, ...GRANT_PERMISSIONS],
}
