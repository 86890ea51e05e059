import { createHash } from 'node:crypto'

/**
 * SHA-256, base64url, over what a request asks for: the same for JSON whose members come in another
 * order. Members that are undefined count as absent.
 */
export function hashRequest(value: unknown): string {
  const text = JSON.stringify(value, (_name, member: unknown) => inOrder(member))
  return createHash('sha256').update(text).digest('base64url')
}

function inOrder(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(members)
}
