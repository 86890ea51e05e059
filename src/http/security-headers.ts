/** A few fixed headers do for answers that no browser renders; the plugin would halve the throughput. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
}
