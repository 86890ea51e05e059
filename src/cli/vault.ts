import { Failure } from '../domain/failure.ts'
import { Secret } from '../domain/secret.ts'
import { adviseOnConnection } from './connection-advice.ts'
import { readSmallFile } from './small-file.ts'
import { systemCode } from './system-code.ts'
import { vaultNames } from './variables.ts'
import type { Layer, Variables } from './variables.ts'

const MAX_ANSWER_BYTES = 1024 * 1024
const CONNECT_TIMEOUT_MS = 10_000

/**
 * The newest version of the secret that `VAULT_ADDR` and `VAULT_PATH` name in a KV v2 engine: its
 * keys are names of variables. Nothing where they are not set, or without a token: see
 * {@link lacksVaultToken}. Asked once, a redirect is not followed. Throws a `Failure` that says what
 * to look at, never with a value.
 *
 * @see https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#read-secret-version
 */
export async function readVault(
  variables: Variables,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<Layer> {
  const address = variables.read('VAULT_ADDR')
  const path = variables.read('VAULT_PATH')
  if (address === undefined || path === undefined) return {}
  const token = variables.read('VAULT_TOKEN')
  if (token === undefined) return {}
  const namespace = variables.read('VAULT_NAMESPACE')
  const authority = variables.read('VAULT_CACERT')
  return await ask({
    ...{ url: secretUrl(address, path), path, token: new Secret(token), signal, timeoutMs },
    namespace: namespace === undefined ? undefined : headerText('VAULT_NAMESPACE', namespace),
    authority: authority === undefined ? undefined : readAuthority(authority),
  })
}

/** Whether Vault is named and cannot be asked: that is told with all else that is missing. */
export function lacksVaultToken(variables: Variables): boolean {
  const named = (['VAULT_ADDR', 'VAULT_PATH'] as const).every((name) => variables.read(name))
  return named && variables.read('VAULT_TOKEN') === undefined
}

type Question = {
  readonly url: URL
  readonly path: string
  readonly token: Secret
  readonly namespace: string | undefined
  /** Certificates in PEM, instead of those that Node knows. */
  readonly authority: string | undefined
  readonly signal: AbortSignal
  readonly timeoutMs: number
}

async function ask(question: Question): Promise<Layer> {
  const { url, path, token, namespace, authority, signal, timeoutMs } = question
  const { Agent } = await import('undici')
  const timeout = Math.min(CONNECT_TIMEOUT_MS, timeoutMs)
  const connect = authority === undefined ? { timeout } : { timeout, ca: authority }
  const agent = new Agent({ connect, maxResponseSize: MAX_ANSWER_BYTES })
  const late = AbortSignal.timeout(timeoutMs)
  try {
    const { statusCode, headers, body } = await agent.request({
      ...{ origin: url.origin, path: url.pathname, method: 'GET' },
      headers: {
        'x-vault-token': headerText('VAULT_TOKEN', token.reveal()),
        'x-vault-request': 'true',
        ...(namespace === undefined ? {} : { 'x-vault-namespace': namespace }),
      },
      signal: AbortSignal.any([signal, late]),
    })
    const text = await body.text()
    if (statusCode === 200) return readSecret(text, path)
    throw refusal(statusCode, path, url, headers['location']?.toString())
  } catch (error) {
    if (error instanceof Failure) throw error
    signal.throwIfAborted()
    throw unreachable(url, late.aborted ? undefined : systemCode(error))
  } finally {
    await agent.destroy()
  }
}

/** What cannot stand in a header would be refused by the library, with the value in its message. */
function headerText(name: string, value: string): string {
  if (/^[\x21-\x7e]+$/.test(value)) return value
  throw new Failure('invalid', `${name} must be printable ASCII without spaces`)
}

function readAuthority(file: string): string {
  try {
    return readSmallFile(file)
  } catch (error) {
    throw new Failure('invalid', `VAULT_CACERT cannot be read (${systemCode(error)})`)
  }
}

/** `code` is undefined for what took too long. */
function unreachable(url: URL, code: string | undefined): Failure {
  const advice = adviseOnConnection(code ?? '', {
    ...{ variable: 'VAULT_ADDR', url, authority: 'VAULT_CACERT' },
  })
  const message = `Vault at ${url.origin} cannot be asked (${code ?? 'no answer in time'}): ${advice}`
  return new Failure('upstream-busy', message)
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

function refusal(status: number, path: string, url: URL, location = 'elsewhere'): Failure {
  const message = `Vault at ${url.origin} answered ${status}`
  if (status === 404) {
    const text = `Vault at ${url.origin} has no KV v2 secret at VAULT_PATH ${path}`
    return new Failure('invalid', `${text}; in a namespace it needs VAULT_NAMESPACE`)
  }
  if (status === 403) {
    const text = `Vault at ${url.origin} does not let VAULT_TOKEN read ${path}`
    return new Failure('upstream-refused', `${text}: renew the token, or its policy lacks "read"`)
  }
  if (status >= 300 && status < 400) {
    const text = `${message} and leads to ${location.slice(0, 1_000)}`
    return new Failure(
      'upstream-refused',
      `${text}: set VAULT_ADDR to the node that answers itself`,
    )
  }
  if (status === 429 || status >= 500) {
    return new Failure('upstream-busy', status === 503 ? `${message}: it is sealed` : message)
  }
  const advice = 'are VAULT_PATH, VAULT_TOKEN and VAULT_NAMESPACE as it expects them?'
  return new Failure('upstream-refused', `${message}: ${advice}`)
}

function readSecret(text: string, path: string): Layer {
  const secret = dataOf(text)
  if (secret === undefined) {
    const message = `Vault answered something else than a KV v2 secret for ${path}`
    throw new Failure('upstream-broken', message)
  }
  const values = vaultNames().flatMap((name) => {
    const value = secret[name]
    return value === undefined || value === null ? [] : [[name, valueOf(name, value)] as const]
  })
  return Object.fromEntries(values)
}

/** Values were often put there from a file, with its line end. */
function valueOf(name: string, value: unknown): string {
  if (typeof value === 'string') return value.trim()
  if (Number.isSafeInteger(value)) return String(value)
  throw new Failure('invalid', `${name} in Vault is no text: put it there as one`)
}

function dataOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const answer = JSON.parse(text) as { data?: { data?: unknown } | null }
    const secret = answer.data?.data
    const isSecret = typeof secret === 'object' && secret !== null
    return isSecret ? (secret as Readonly<Record<string, unknown>>) : undefined
  } catch {
    return undefined
  }
}
