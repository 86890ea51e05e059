import { readFileSync } from 'node:fs'
import { findPackageJSON } from 'node:module'

/** The version that the package says, wherever it was installed to; `unknown` where none is found. */
export function serviceVersion(): string {
  try {
    const path = findPackageJSON(import.meta.url)
    const { version } = JSON.parse(readFileSync(path ?? '', 'utf8')) as { version?: unknown }
    return typeof version === 'string' ? version : 'unknown'
  } catch {
    return 'unknown'
  }
}
