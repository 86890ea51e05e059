import { createPrivateKey, X509Certificate } from 'node:crypto'
import { unwatchFile, watchFile } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { Failure } from '../domain/failure.ts'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'

/** Polled, not notified: mounted secrets are exchanged by way of links, which notifications miss. */
const POLL_MS = 2_000

export type TlsFiles = { readonly certFile: string; readonly keyFile: string }

/** A certificate chain and its private key, in PEM. */
export type TlsPair = { readonly cert: Buffer; readonly key: Buffer }

/** Under each of the labels that OpenSSL, and so Node, takes a certificate by. */
const CERTIFICATE = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----[^-]+-----END \1-----/g

/** Reads a pair. Throws `invalid` when a file cannot be read or the two do not belong together. */
export async function readTlsPair({ certFile, keyFile }: TlsFiles): Promise<TlsPair> {
  const cert = await read('TLS_CERT_FILE', certFile)
  const key = await read('TLS_KEY_FILE', keyFile)
  if (!belongTogether(cert, key)) {
    const message = 'TLS_CERT_FILE and TLS_KEY_FILE are no certificate and its key'
    throw new Failure('invalid', `configuration: ${message}`)
  }
  return { cert, key }
}

/** A context alone would take a certificate and a key of another kind: it has room for several. */
function belongTogether(cert: Buffer, key: Buffer): boolean {
  try {
    createSecureContext({ cert, key })
    const [leaf] = chainOf(cert)
    return leaf !== undefined && leaf.checkPrivateKey(createPrivateKey(key))
  } catch {
    // Without the cause: what a parser says may quote what it read.
    return false
  }
}

async function read(variable: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new Failure('invalid', `configuration: ${variable} cannot be read (${code})`)
  }
}

/** The certificates of a chain, the leaf first. Throws when one of them cannot be read. */
function chainOf(cert: Buffer): X509Certificate[] {
  const chain = cert.toString('latin1').match(CERTIFICATE) ?? []
  return chain.map((pem) => new X509Certificate(pem))
}

export type TlsWatchOptions = TlsFiles & {
  /** The pair that is in use already. */
  readonly current: TlsPair
  readonly onPair: (pair: TlsPair) => void
  readonly metrics: Pick<Metrics, 'certificateTaken'>
  readonly logger: Logger
  readonly pollMs?: number
}

/**
 * Reads the pair again whenever one of its files changes. A pair that is broken is logged and leaves
 * the old one in use; so does the moment in which only one of the two has been replaced. A
 * certificate that is not good now is used all the same, and logged: callers refuse it, and know
 * best why.
 */
export function watchTlsFiles(options: TlsWatchOptions): Disposable {
  const { certFile, keyFile, onPair, logger } = options
  let { current } = options
  tellValidity(chainOf(current.cert), options)
  const reload = async (): Promise<void> => {
    try {
      const pair = await readTlsPair(options)
      if (pair.cert.equals(current.cert) && pair.key.equals(current.key)) return
      // Before the pair is in use: from here on nothing may fail.
      const chain = chainOf(pair.cert)
      onPair(pair)
      current = pair
      logger.info({ certFile }, 'the certificate was read again')
      tellValidity(chain, options)
    } catch (error) {
      logger.error(
        { err: error, certFile, keyFile },
        'the certificate is not used: the old one stays',
      )
    }
  }
  // One after the other: of two readings the later one counts.
  let reloads = Promise.resolve()
  const listener = (): void => {
    reloads = reloads.then(reload)
  }
  const paths = [certFile, keyFile]
  for (const path of paths) {
    watchFile(path, { interval: options.pollMs ?? POLL_MS, persistent: false }, listener)
  }
  // They may have changed since the start read them.
  listener()
  return {
    [Symbol.dispose]: () => {
      for (const path of paths) unwatchFile(path, listener)
    },
  }
}

/**
 * Of the leaf: it is what callers see expire. One above it may have ended long ago and do no harm,
 * such as a cross-signed root that only old clients look at.
 */
function tellValidity(
  chain: readonly X509Certificate[],
  { certFile, metrics, logger }: Pick<TlsWatchOptions, 'certFile' | 'metrics' | 'logger'>,
): void {
  const [leaf, ...above] = chain
  if (leaf === undefined) return
  metrics.certificateTaken(leaf.validToDate.getTime())
  const state = stateOf(leaf)
  if (state !== 'valid') logger.warn({ certFile, ...datesOf(leaf) }, `the certificate ${state}`)
  for (const each of above) {
    const itsState = stateOf(each)
    if (itsState === 'valid') continue
    const told = { certFile, subject: each.subject, ...datesOf(each) }
    logger.info(told, `a certificate above the leaf ${itsState}`)
  }
}

function stateOf({ validFromDate, validToDate }: X509Certificate) {
  const now = Date.now()
  if (now > validToDate.getTime()) return 'has expired'
  return now < validFromDate.getTime() ? 'is not valid yet' : 'valid'
}

function datesOf({ validFromDate, validToDate }: X509Certificate) {
  return { from: validFromDate.toISOString(), until: validToDate.toISOString() }
}
