import { closeSync, openSync, readSync } from 'node:fs'

/** Secrets and certificates are smaller. */
const MAX_BYTES = 1024 * 1024

/**
 * The content of a file that holds a secret or certificates, whatever kind of file it is: what
 * `<(pass show x)` and `/dev/stdin` name can be read once only. Throws an error with a `code`.
 */
export function readSmallFile(path: string): string {
  const descriptor = openSync(path, 'r')
  try {
    const buffer = Buffer.alloc(MAX_BYTES + 1)
    let length = 0
    for (;;) {
      const count = readSync(descriptor, buffer, length, buffer.length - length, null)
      length += count
      if (length > MAX_BYTES) throw Object.assign(new Error('too large'), { code: 'EFBIG' })
      if (count === 0) return buffer.toString('utf8', 0, length)
    }
  } finally {
    closeSync(descriptor)
  }
}
