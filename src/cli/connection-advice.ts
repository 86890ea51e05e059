/** Certificates that no known authority stands for. */
const UNKNOWN_AUTHORITY: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])
/** What TLS makes of an answer that is none of TLS. */
const NO_TLS: ReadonlySet<string> = new Set([
  'EPROTO',
  'ERR_SSL_HTTP_REQUEST',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'ERR_SSL_WRONG_VERSION_NUMBER',
])
/** A server of TLS that is spoken to without it ends the connection. */
const ENDED: ReadonlySet<string> = new Set(['ECONNRESET', 'UND_ERR_SOCKET'])

type Asked = Readonly<{ variable: string; url: URL; authority: string; otherwise?: string }>

/**
 * What to do about a connection that came to nothing, by the code of its error. `variable` names the
 * setting that the URL is from, `authority` the one that a private authority's certificate goes into,
 * `otherwise` what is said of a code that says little.
 */
export function adviseOnConnection(
  code: string,
  { variable, url, authority, otherwise = `is it running, and ${variable} its address?` }: Asked,
): string {
  if (UNKNOWN_AUTHORITY.has(code)) {
    return `its certificate is of an authority that is not known here: put the file with the authority's certificate into ${authority}`
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `its certificate is for another name than ${url.hostname}: put that name into ${variable}`
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return 'its certificate does not hold today: it must be renewed, or the clock here is wrong'
  }
  if (NO_TLS.has(code)) return `it speaks no TLS: is ${variable} http, not https?`
  if (ENDED.has(code) && url.protocol === 'http:') {
    return `it ended the connection: is it running, and is ${variable} https, not http?`
  }
  return otherwise
}
