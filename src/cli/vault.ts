import type { Dispatcher } from 'undici'
import { Failure } from '../domain/failure.ts'
import type { Secret } from '../domain/secret.ts'
import { systemCode } from './system-code.ts'
import type { Layer } from './variables.ts'

const MAX_ANSWER_CHARACTERS = 1024 * 1024

export type VaultOptions = {
  readonly address: string
  readonly token: Secret
  /** `MOUNT/PATH`; or as the API has it, `MOUNT/data/PATH`, where the mount has several parts. */
  readonly path: string
  readonly dispatcher: Dispatcher
  readonly signal: AbortSignal
  readonly timeoutMs: number
}

/**
 * The newest version of a secret in a KV v2 engine: its keys are names of variables. Asked once, a
 * redirect is not followed. Throws a `Failure` that says what to look at, never with a value.
 *
 * @see https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#read-secret-version
 */
export async function readVault(options: VaultOptions): Promise<Layer> {
  const url = secretUrl(options.address, options.path)
  const late = AbortSignal.timeout(options.timeoutMs)
  let status: number
  let text: string
  try {
    const response = await options.dispatcher.request({
      origin: url.origin,
      path: url.pathname,
      method: 'GET',
      headers: { 'x-vault-token': options.token.reveal(), 'x-vault-request': 'true' },
      signal: AbortSignal.any([options.signal, late]),
    })
    status = response.statusCode
    text = await response.body.text()
  } catch (error) {
    options.signal.throwIfAborted()
    const why = late.aborted ? 'no answer in time' : systemCode(error)
    throw new Failure('upstream-busy', `Vault at ${url.origin} cannot be asked (${why})`)
  }
  if (status !== 200) throw refusal(status, options.path, url)
  return readSecret(text, options.path)
}

function secretUrl(address: string, path: string): URL {
  const url = URL.parse(address)
  const loopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url?.hostname ?? '')
  if (!url || !(url.protocol === 'https:' || (url.protocol === 'http:' && loopback))) {
    throw new Failure('invalid', 'VAULT_ADDR must be an https URL; http is for this machine only')
  }
  const parts = path.split('/').filter((part) => part !== '')
  const [mount, ...rest] = parts
  if (mount === undefined || rest.length === 0 || parts.some((part) => /^\.{1,2}$/.test(part))) {
    throw new Failure('invalid', 'VAULT_PATH must be MOUNT/PATH, such as secret/permctl')
  }
  const asApi = rest.length > 1 && rest.slice(0, -1).includes('data')
  const names = asApi ? parts : [mount, 'data', ...rest]
  const base = url.pathname.replace(/\/$/, '')
  return new URL(`${base}/v1/${names.map(encodeURIComponent).join('/')}`, url.origin)
}

function refusal(status: number, path: string, url: URL): Failure {
  if (status === 404) {
    return new Failure(
      'invalid',
      `Vault at ${url.origin} has no KV v2 secret at VAULT_PATH ${path}`,
    )
  }
  if (status === 403) {
    const message = `Vault at ${url.origin} does not let VAULT_TOKEN read ${path}`
    return new Failure(
      'upstream-refused',
      `${message}: renew the token, or its policy lacks "read"`,
    )
  }
  const message = `Vault at ${url.origin} answered ${status}`
  return new Failure('upstream-busy', status === 503 ? `${message}: it is sealed` : message)
}

function readSecret(text: string, path: string): Layer {
  const secret = text.length > MAX_ANSWER_CHARACTERS ? undefined : dataOf(text)
  if (secret === undefined) {
    const message = `Vault answered something else than a KV v2 secret for ${path}`
    throw new Failure('upstream-broken', message)
  }
  const texts = Object.entries(secret).filter(([, value]) => typeof value === 'string')
  return Object.fromEntries(texts) as Layer
}

function dataOf(text: string): object | undefined {
  try {
    const answer = JSON.parse(text) as { data?: { data?: unknown } | null }
    const secret = answer.data?.data
    return typeof secret === 'object' && secret !== null ? secret : undefined
  } catch {
    return undefined
  }
}
