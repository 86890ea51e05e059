import { Gauge } from 'prom-client'
import type { Registry } from 'prom-client'

/** What is told of the database and of the trail's chain; `prefix` begins every name. */
export function storeMetrics(registry: Registry, prefix: string) {
  const registers = [registry]
  const up = new Gauge({
    name: `${prefix}store_up`,
    help: '1 while the database does what it is asked: what was tried last worked',
    registers,
  })
  const intact = new Gauge({
    name: `${prefix}audit_chain_intact`,
    help: '1 when the last verification of the audit trail found nothing, 0 when it is broken; NaN before the first',
    registers,
  })
  intact.set(NaN)
  const verifiedAt = new Gauge({
    name: `${prefix}audit_verified_timestamp_seconds`,
    help: 'When the audit trail was verified last, Unix time; NaN before the first time',
    registers,
  })
  verifiedAt.set(NaN)
  return {
    storeUp(isUp: boolean): void {
      up.set(Number(isUp))
    },
    /** `verifiedAt` is ISO 8601. */
    auditVerified(verification: { readonly intact: boolean; readonly verifiedAt: string }): void {
      intact.set(Number(verification.intact))
      verifiedAt.set(Date.parse(verification.verifiedAt) / 1_000)
    },
  }
}
