import { generate } from 'selfsigned'

export type Pair = { readonly cert: string; readonly key: string }

/** A self-signed certificate of this machine, and its key. */
export async function makeCertificate(commonName = 'localhost'): Promise<Pair> {
  const made = await generate([{ name: 'commonName', value: commonName }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
    ],
  })
  return { cert: made.cert, key: made.private }
}
