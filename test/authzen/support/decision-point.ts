import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CHECK_KEY } from '../../end-to-end/support/environment.ts'
import { startUnderTest } from '../../end-to-end/support/service-under-test.ts'
import type { UnderTest } from '../../end-to-end/support/service-under-test.ts'
import type { Body } from '../../end-to-end/support/caller.ts'
import { trustedPair } from './certificate.ts'
import { RESOURCE_TYPES, scenarioWorld } from './scenario-world.ts'

/** Where callers believe the decision point to be; no request ever says so. */
export const PUBLIC_URL = 'https://pdp.example.com'

type Reply = {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** Of JSON answers. */
  readonly body: Body
}

export type DecisionPoint = UnderTest & {
  /** Posts a body to `/access/v1/…`, text and bytes as they are. */
  ask(path: string, body: unknown, headers?: Record<string, string>): Promise<Reply>
  get(path: string, headers?: Record<string, string>): Promise<Reply>
  /** The decision alone. */
  decide(question: object): Promise<unknown>
  readonly files: { readonly cert: string; readonly key: string; readonly signingKey: string }
}

/**
 * The service over the scenario's organisation, on its real listener with TLS. It turns nobody away
 * because the machine let this process wait.
 */
export async function startDecisionPoint(
  env: Readonly<Record<string, string>> = {},
): Promise<DecisionPoint> {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'permission-check-tls-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const pair = await trustedPair()
  const { privateKey } = generateKeyPairSync('ed25519')
  const files = {
    cert: join(folder, 'tls.crt'),
    key: join(folder, 'tls.key'),
    signingKey: join(folder, 'signing.pem'),
  }
  await writeFile(files.cert, pair.cert)
  await writeFile(files.key, pair.key)
  await writeFile(files.signingKey, privateKey.export({ type: 'pkcs8', format: 'pem' }))
  const context = stack.use(
    await startUnderTest({
      simulator: { world: scenarioWorld() },
      overrides: { maxEventLoopDelayMs: Infinity },
      env: {
        PUBLIC_URL,
        TLS_CERT_FILE: files.cert,
        TLS_KEY_FILE: files.key,
        AUTHZEN_RESOURCE_TYPES: RESOURCE_TYPES,
        AUTHZEN_SIGNING_KEY_FILE: files.signingKey,
        ...env,
      },
    }),
  )
  const send = async (path: string, init: RequestInit): Promise<Reply> => {
    const response = await fetch(context.service.checkUrl + path, init)
    const text = await response.text()
    const json = response.headers.get('content-type')?.startsWith('application/json') === true
    const body: Body = json ? JSON.parse(text) : undefined
    return { status: response.status, headers: response.headers, text, body }
  }
  const authorization = `Bearer ${CHECK_KEY}`
  const ask: DecisionPoint['ask'] = (path, body, headers = {}) => {
    const raw = typeof body === 'string' || body instanceof Uint8Array
    return send(`/access/v1/${path}`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json', ...headers },
      body: raw ? (body as string) : JSON.stringify(body),
    })
  }
  const disposables = stack.move()
  return {
    ...context,
    ask,
    get: (path, headers = {}) => send(path, { headers }),
    decide: async (question) => (await ask('evaluation', question)).body?.decision,
    files,
    [Symbol.asyncDispose]: () => disposables.disposeAsync(),
  }
}
