import type { FastifyInstance } from 'fastify'

type Entry = { readonly segments: readonly string[]; readonly methods: Set<string> }

/**
 * Knows which methods a path has, which the router does not tell: a known path with another method
 * answers 405 and not 404. Watches routes as they are added, so it must come before them.
 */
export function watchMethods(app: FastifyInstance): (path: string) => readonly string[] {
  const entries = new Map<string, Entry>()
  app.addHook('onRoute', ({ url, method }) => {
    const entry = entries.get(url) ?? { segments: url.split('/'), methods: new Set<string>() }
    for (const name of [method].flat()) entry.methods.add(name)
    entries.set(url, entry)
  })
  return (path) => {
    const segments = path.split('/')
    const methods = [...entries.values()]
      .filter((entry) => matches(entry.segments, segments))
      .flatMap((entry) => [...entry.methods])
    return [...new Set(methods)].sort()
  }
}

function matches(pattern: readonly string[], segments: readonly string[]): boolean {
  if (pattern.at(-1) === '*') {
    return (
      segments.length >= pattern.length &&
      pattern.slice(0, -1).every((part, index) => part === segments[index])
    )
  }
  if (pattern.length !== segments.length) return false
  return pattern.every((part, index) => {
    return part.startsWith(':') ? segments[index] !== '' : part === segments[index]
  })
}
