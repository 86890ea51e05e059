import { setDefaultCACertificates } from 'node:tls'
import { generate } from 'selfsigned'

export type Pair = { readonly cert: string; readonly key: string }

/** The time within which a certificate is good. */
export type Validity = { readonly notBeforeDate?: Date; readonly notAfterDate?: Date }

/** A self-signed certificate of this machine, and its key. */
export async function makeCertificate(
  commonName = 'localhost',
  validity: Validity = {},
): Promise<Pair> {
  const made = await generate([{ name: 'commonName', value: commonName }], {
    keyType: 'ec',
    algorithm: 'sha256',
    ...validity,
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
    ],
  })
  return { cert: made.cert, key: made.private }
}

let trusted: Promise<Pair> | undefined

/** The certificate of this process's listeners: nothing in it trusts any other any more. */
export function trustedPair(): Promise<Pair> {
  trusted ??= makeCertificate().then((pair) => {
    setDefaultCACertificates([pair.cert])
    return pair
  })
  return trusted
}
