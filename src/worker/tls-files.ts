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

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

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
    if (Number.isNaN(validityOf(cert).until)) return false
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))
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

/** The time within which every certificate of a chain is good, in epoch milliseconds. */
function validityOf(cert: Buffer): { readonly from: number; readonly until: number } {
  const chain = cert.toString('latin1').match(CERTIFICATE) ?? []
  const certificates = chain.map((pem) => new X509Certificate(pem))
  return {
    from: Math.max(...certificates.map((each) => each.validFromDate.getTime())),
    until: Math.min(...certificates.map((each) => each.validToDate.getTime())),
  }
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
  tellValidity(current, options)
  const reload = async (): Promise<void> => {
    try {
      const pair = await readTlsPair(options)
      if (pair.cert.equals(current.cert) && pair.key.equals(current.key)) return
      onPair(pair)
      current = pair
      logger.info({ certFile }, 'the certificate was read again')
      tellValidity(pair, options)
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

function tellValidity(
  { cert }: TlsPair,
  { certFile, metrics, logger }: Pick<TlsWatchOptions, 'certFile' | 'metrics' | 'logger'>,
): void {
  const { from, until } = validityOf(cert)
  metrics.certificateTaken(until)
  const now = Date.now()
  const told = { certFile, from: isoOf(from), until: isoOf(until) }
  if (now > until) logger.warn(told, 'the certificate has expired')
  else if (now < from) logger.warn(told, 'the certificate is not valid yet')
}

function isoOf(timeMs: number): string {
  return new Date(timeMs).toISOString()
}
