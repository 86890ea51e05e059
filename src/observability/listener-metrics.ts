import { Gauge } from 'prom-client'
import type { Registry } from 'prom-client'

/** What is told of the listeners; `prefix` begins every name. */
export function listenerMetrics(registry: Registry, prefix: string) {
  const expiry = new Gauge({
    name: `${prefix}tls_certificate_expiry_timestamp_seconds`,
    help: 'When the first certificate of the check plane’s chain expires; NaN without TLS',
    registers: [registry],
  })
  expiry.set(NaN)
  return {
    /** A certificate chain is in use from now on; `expiresAt` in epoch milliseconds. */
    certificateTaken(expiresAt: number): void {
      expiry.set(expiresAt / 1_000)
    },
  }
}
