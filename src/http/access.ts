import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Failure } from '../domain/failure.ts'
import type { Principal, Scope } from '../domain/principal.ts'
import type { Authenticator } from './authenticator.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; known on every route behind {@link requireAccess}. */
    principal: Principal | null
    /** `performance.now()` at arrival; of routes whose time is measured. */
    arrivedAt: number
  }
}

/** Decorates requests with what access control knows of them. */
export function decorateRequests(app: FastifyInstance): void {
  app.decorateRequest('principal', null)
  app.decorateRequest('arrivedAt', 0)
}

/**
 * Lets a request pass when its caller is known and has one of the scopes that it needs. `admit` runs
 * once the caller is known; it may throw to refuse.
 */
export function requireAccess(
  auth: Authenticator,
  scopesFor: (request: FastifyRequest) => readonly Scope[],
  admit?: (request: FastifyRequest, principal: Principal) => void,
): (request: FastifyRequest, done: HookDone) => void {
  const enter = (request: FastifyRequest, principal: Principal): void => {
    requireScope(principal, scopesFor(request))
    request.principal = principal
    admit?.(request, principal)
  }
  return (request, done) => {
    try {
      const { authorization } = request.raw.headers
      const principal = auth.authenticate(authorization, request.raw.socket)
      if (principal instanceof Promise) {
        whenKnown(
          principal.then((found) => enter(request, found)),
          done,
        )
        return
      }
      enter(request, principal)
    } catch (error) {
      done(error as Error)
      return
    }
    // Outside of the try: the rest of the request runs in here.
    done()
  }
}

/** Leaves the promise before going on, so that nothing later on can reject it. */
function whenKnown(entered: Promise<void>, done: HookDone): void {
  entered.then(
    () => setImmediate(done),
    (error: Error) => setImmediate(done, error),
  )
}

type HookDone = (error?: Error) => void

function requireScope({ scopes }: Principal, needed: readonly Scope[]): void {
  if (needed.some((scope) => scopes.has(scope))) return
  throw new Failure('forbidden', `the scope ${needed.join(' or ')} is needed`)
}

/** The caller's name, for the audit trail; only behind {@link requireAccess}. */
export function callerOf(request: FastifyRequest): string {
  if (!request.principal) throw new Error('this route does not require access')
  return request.principal.name
}
