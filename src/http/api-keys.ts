import type { ApiKey, Principal } from '../domain/principal.ts'

type EncodedKey = {
  readonly principal: Principal
  readonly secret: Buffer
  readonly length: number
}

/** Finds the key with a given secret. */
export type KeySet = { find(secret: string): Principal | undefined }

/**
 * A set of keys whose look-up takes the same time whatever was presented: every key is compared in
 * full, padded to one length, and none ends the search. No key is hashed for a request. Of keys with
 * the same secret the first one counts, with its scopes alone.
 */
export function createKeySet(keys: readonly ApiKey[]): KeySet {
  const width = Math.max(1, ...keys.map((key) => Buffer.byteLength(key.secret.reveal())))
  const encoded: EncodedKey[] = keys.map(({ name, scopes, secret }) => {
    const padded = Buffer.alloc(width)
    return { principal: { name, scopes }, secret: padded, length: padded.write(secret.reveal()) }
  })
  const presented = Buffer.alloc(width)
  return {
    find(secret) {
      presented.fill(0)
      presented.write(secret)
      // Of a secret longer than any key only the length counts: it equals none.
      const length = Buffer.byteLength(secret)
      let found: Principal | undefined
      for (const key of encoded) {
        if (differ(key.secret, presented, key.length ^ length) === 0) found ??= key.principal
      }
      return found
    },
  }
}

/** 0 when two buffers of one length are equal; looks at every byte in any case. */
function differ(a: Buffer, b: Buffer, difference: number): number {
  let bits = difference
  for (let i = 0; i < a.length; i++) bits |= (a[i] as number) ^ (b[i] as number)
  return bits
}

/** Whether two texts are equal; the time depends on their length alone. */
export function sameText(a: string, b: string): boolean {
  if (a.length !== b.length) return false
  let bits = 0
  for (let i = 0; i < a.length; i++) bits |= a.charCodeAt(i) ^ b.charCodeAt(i)
  return bits === 0
}
