import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { fastify } from 'fastify'
import type { FastifyInstance } from 'fastify'
import type { Scope } from '../../domain/principal.ts'
import type { ServedMatrices } from '../../domain/served.ts'
import type { Logger } from '../../observability/logger.ts'
import type { Metrics } from '../../observability/metrics.ts'
import { decorateRequests, requireAccess } from '../access.ts'
import type { Authenticator } from '../authenticator.ts'
import type { ProblemDeps } from '../problems.ts'
import type { RefusedLogins } from '../refused-logins.ts'
import { SECURITY_HEADERS } from '../security-headers.ts'
import { handleProblems, serverOptions } from '../server-options.ts'
import type { Tls } from '../server-options.ts'
import { createRateLimit } from '../token-buckets.ts'
import { HeldBodies } from '../held-bodies.ts'
import { LongWork } from '../long-work.ts'
import { UnreadAnswers } from '../unread-answers.ts'
import type { UnreadLimits } from '../unread-answers.ts'
import { liveRoute, readyRoute, tooLate } from '../health-routes.ts'
import { describePlane, TRY_PREFIX } from '../openapi.ts'
import type { PlaneDescription } from '../openapi.ts'
import { authzenRoutes } from '../authzen/authzen-routes.ts'
import { metadataRoute } from '../authzen/metadata-route.ts'
import type { Metadata } from '../authzen/metadata.ts'
import type { ResourceTypes } from '../../domain/resource-types.ts'
import { batchRoute } from './batch-route.ts'
import { catalogueRoute } from './catalogue-route.ts'
import { checkRoute } from './check-route.ts'
import { listingRoutes } from './listing-routes.ts'

export type CheckAppDeps = {
  readonly matrices: ServedMatrices
  readonly metrics: Pick<Metrics, 'decided' | 'checkTook' | 'answered' | 'failed'>
  readonly logger: Pick<Logger, 'error'>
  readonly auth: Authenticator
  /** Is told of every user that the matrix does not know. Must be cheap. */
  readonly unknownUsers: { note(id: string): void }
  /** Requests a second and key; 0 for no limit. */
  readonly rateLimit: number
  /** True while the event loop is too late to answer in time; see `watchEventLoop`. */
  readonly overloaded: () => boolean
  /** True once the service is shutting down: not ready any more, but still answering. */
  readonly draining: () => boolean
  readonly tls?: Tls | undefined
  /** What callers may leave unread; for tests. */
  readonly unreadLimits?: UnreadLimits
  /** Long requests that may wait, and bytes of their bodies; for tests. */
  readonly longWorkLimits?: { readonly waiting: number; readonly bodyBytes: number }
  /** Callers' own names of resource types; none by default. */
  readonly resourceTypes?: ResourceTypes
  /** AuthZEN's metadata; without, its path answers 404. */
  readonly metadata?: Metadata | undefined
  readonly refusedLogins?: Pick<RefusedLogins, 'note'> | undefined
}

const DESCRIPTION: PlaneDescription = {
  title: 'genesys-permission-check: check plane',
  description:
    'What every user of a Genesys Cloud organisation may do, answered in memory. Answers name the revision of the matrix they come from in `x-matrix-revision` and its age in seconds in `x-matrix-age`.',
  tags: [
    { name: 'checks', description: 'May this user do this?' },
    { name: 'listings', description: 'Who may do what' },
    { name: 'authzen', description: 'The OpenID AuthZEN Authorization API 1.0' },
    { name: 'health', description: 'Open to all' },
  ],
  schemes: ['bearer'],
  servers: [
    { url: TRY_PREFIX, description: 'From the page at /docs, through the admin listener' },
    { url: 'http://127.0.0.1:8080', description: 'The check listener, where it is by default' },
  ],
}

/** The check plane: what downstream applications ask. It reads matrices and nothing else. */
export function buildCheckApp(deps: CheckAppDeps): FastifyInstance {
  const problems: ProblemDeps = { ...deps, plane: 'check', challenges: ['Bearer'] }
  const app = fastify(serverOptions(problems, deps.tls)).withTypeProvider<TypeBoxTypeProvider>()
  describePlane(app, DESCRIPTION)
  decorateRequests(app)
  handleProblems(app, problems)
  // Checks write past Fastify's reply and never come by here.
  const unread = new UnreadAnswers(deps.unreadLimits)
  app.addHook('onSend', (request, reply, payload, done) => {
    if (typeof payload === 'string') {
      unread.add(reply.raw, request, Buffer.byteLength(payload))
    }
    reply.headers(SECURITY_HEADERS).header('x-request-id', request.id)
    deps.metrics.answered('check', reply.statusCode)
    done()
  })
  void app.register(liveRoute())
  void app.register(readyRoute(deps))
  void app.register(metadataRoute(deps.metadata))
  void app.register((guarded, _options, done) => {
    guarded.addHook('onRequest', admission(deps))
    const written = { ...deps, unread }
    const longWork = new LongWork(deps.longWorkLimits?.waiting)
    const bodies = new HeldBodies(deps.longWorkLimits?.bodyBytes)
    void guarded.register(checkRoute(written))
    void guarded.register(batchRoute(written))
    void guarded.register(listingRoutes({ ...deps, longWork }))
    void guarded.register(catalogueRoute(deps))
    void guarded.register(
      authzenRoutes({
        ...written,
        resourceTypes: deps.resourceTypes ?? new Map(),
        longWork,
        bodies,
      }),
    )
    done()
  })
  return app
}

/** The same for every route: reading a route's own configuration would cost every check. */
const NEEDED: readonly Scope[] = ['check']

/** One hook for arrival time, overload, access and rate: each further hook would cost every check. */
function admission({ auth, overloaded, rateLimit }: CheckAppDeps) {
  const limit = rateLimit > 0 ? createRateLimit(rateLimit) : undefined
  const access = requireAccess(
    auth,
    () => NEEDED,
    limit && ((request, principal) => limit(principal.name, request.arrivedAt)),
  )
  return (
    request: Parameters<typeof access>[0],
    _reply: unknown,
    done: Parameters<typeof access>[1],
  ): void => {
    request.arrivedAt = performance.now()
    if (overloaded()) done(tooLate())
    else access(request, done)
  }
}
