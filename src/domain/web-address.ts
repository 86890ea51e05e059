/** Whether a text is an http or https URL without user, query or fragment. */
export function isHttpUrl(value: string): boolean {
  const url = URL.parse(value)
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) return false
  return url.username === '' && url.password === '' && url.search === '' && url.hash === ''
}

/** Whether a host is this machine, under a name or address that can be nothing else. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host)
}
