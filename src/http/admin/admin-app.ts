import { fastifyHelmet } from '@fastify/helmet'
import { fastifyRateLimit } from '@fastify/rate-limit'
import type { RateLimitPluginOptions } from '@fastify/rate-limit'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { fastifyUnderPressure } from '@fastify/under-pressure'
import { fastify } from 'fastify'
import type { FastifyInstance } from 'fastify'
import { Failure } from '../../domain/failure.ts'
import type { Scope } from '../../domain/principal.ts'
import type { Logger } from '../../observability/logger.ts'
import type { Metrics } from '../../observability/metrics.ts'
import { callerOf, decorateRequests, requireAccess } from '../access.ts'
import type { Authenticator } from '../authenticator.ts'
import { liveRoute, readyRoute } from '../health-routes.ts'
import { describePlane } from '../openapi.ts'
import type { PlaneDescription } from '../openapi.ts'
import type { ProblemDeps } from '../problems.ts'
import { handleProblems, serverOptions } from '../server-options.ts'
import type { Tls } from '../server-options.ts'
import type { RefusedLogins } from '../refused-logins.ts'
import { allowlistRoutes } from './allowlist-routes.ts'
import type { AllowlistRouteDeps } from './allowlist-routes.ts'
import { auditRoutes } from './audit-routes.ts'
import type { AuditRouteDeps } from './audit-routes.ts'
import { refuseCrossSite } from './cross-site.ts'
import { deliveryRoutes } from './delivery-routes.ts'
import type { DeliveryRouteDeps } from './delivery-routes.ts'
import { docsRoutes, READ_SCOPES } from './docs-routes.ts'
import { environmentRoutes } from './environment-routes.ts'
import type { EnvironmentRouteDeps } from './environment-routes.ts'
import { lookUpRoutes } from './look-up-routes.ts'
import { matrixRoute } from './matrix-route.ts'
import type { MatrixRouteDeps } from './matrix-route.ts'
import { metricsRoute } from './metrics-route.ts'
import { rebuildRoutes } from './rebuild-routes.ts'
import type { RebuildRouteDeps } from './rebuild-routes.ts'
import { reportRoutes } from './report-routes.ts'
import type { ReportRouteDeps } from './report-routes.ts'
import { roleChangeRoutes } from './role-change-routes.ts'
import type { RoleChangeRouteDeps } from './role-change-routes.ts'
import { LongWork } from '../long-work.ts'
import { UnreadAnswers } from '../unread-answers.ts'
import { tryRoutes } from './try-routes.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Any one of these lets a caller in; without, reading needs `admin:read`, all else more. */
    scopes?: readonly Scope[]
  }
}

type RouteDeps = MatrixRouteDeps &
  RebuildRouteDeps &
  RoleChangeRouteDeps &
  AuditRouteDeps &
  AllowlistRouteDeps &
  EnvironmentRouteDeps &
  DeliveryRouteDeps &
  ReportRouteDeps

export type AdminAppDeps = Omit<RouteDeps, 'longWork'> & {
  readonly metrics: Pick<Metrics, 'answered' | 'failed'>
  readonly logger: Pick<Logger, 'error'>
  readonly auth: Authenticator
  readonly registry: Metrics['registry']
  /** The check plane: its document is shown beside this one's, and can be tried from there. */
  readonly checkApp: Pick<FastifyInstance, 'swagger' | 'ready' | 'inject'>
  /** True once the service is shutting down. */
  readonly draining: () => boolean
  readonly tls?: Tls | undefined
  /** Requests are turned away when the event loop is later than this; default 1,000. */
  readonly maxEventLoopDelayMs?: number | undefined
  readonly refusedLogins?: Pick<RefusedLogins, 'note'> | undefined
}

const REQUESTS_PER_SECOND = 20
const MAX_EVENT_LOOP_DELAY_MS = 1_000

const RATE: RateLimitPluginOptions = {
  max: REQUESTS_PER_SECOND,
  timeWindow: 1_000,
  errorResponseBuilder: (_request, { ttl }) => {
    const message = `more than ${REQUESTS_PER_SECOND} requests a second`
    return new Failure('rate-limited', message, { retryAfterSeconds: Math.ceil(ttl / 1000) })
  },
}

const DESCRIPTION: PlaneDescription = {
  title: 'genesys-permission-check: admin plane',
  description:
    'For administrators and Prometheus. Reading needs the scope `admin:read`, changing `admin:write`.',
  tags: [
    { name: 'matrix', description: 'What is served, and reading it again' },
    {
      name: 'role-changes',
      description: 'Simulate, apply, stop, resume and undo changes of roles',
    },
    { name: 'audit', description: 'The trail, and reports on it' },
    { name: 'ip-allowlists', description: 'Networks that may call, or may be called' },
    { name: 'environments', description: 'Environments, up to their limit' },
    { name: 'deliveries', description: 'Events on their way to the webhooks' },
    { name: 'look-up', description: 'Ids by name' },
    { name: 'service', description: 'What the service says of itself' },
    { name: 'health', description: 'Open to all' },
  ],
  schemes: ['bearer', 'basic'],
}

/** What swagger-ui needs, and nothing from elsewhere. */
const CONTENT_SECURITY_POLICY = {
  useDefaults: false,
  directives: {
    'default-src': ["'none'"],
    'script-src': ["'self'"],
    'style-src': ["'self'", "'unsafe-inline'"],
    'img-src': ["'self'", 'data:'],
    'font-src': ["'self'", 'data:'],
    'connect-src': ["'self'"],
    'base-uri': ["'none'"],
    'form-action': ["'self'"],
    'frame-ancestors': ["'none'"],
  },
}

/** The admin plane: administrators and Prometheus. It takes the libraries as they come. */
export function buildAdminApp(deps: AdminAppDeps): FastifyInstance {
  const problems: ProblemDeps = { ...deps, plane: 'admin', challenges: ['Bearer', 'Basic'] }
  const app = fastify(serverOptions(problems, deps.tls)).withTypeProvider<TypeBoxTypeProvider>()
  describePlane(app, DESCRIPTION)
  decorateRequests(app)
  handleProblems(app, problems)
  takeEmptyBodies(app)
  refuseCrossSite(app)
  void app.register(fastifyHelmet, { contentSecurityPolicy: CONTENT_SECURITY_POLICY })
  const unread = new UnreadAnswers()
  app.addHook('onSend', (request, reply, payload, done) => {
    if (typeof payload === 'string' || Buffer.isBuffer(payload)) {
      unread.add(reply.raw, request, Buffer.byteLength(payload))
    }
    reply.header('x-request-id', request.id)
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
    done()
  })
  app.addHook('onResponse', (_request, reply, done) => {
    deps.metrics.answered('admin', reply.statusCode)
    done()
  })
  void app.register(liveRoute())
  void app.register(readyRoute(deps))
  void app.register(tryRoutes(deps.checkApp, RATE))
  void app.register((guarded, _options, done) => {
    guardRoutes(guarded, deps)
    const shared = { ...deps, longWork: new LongWork() }
    void guarded.register(rebuildRoutes(deps))
    void guarded.register(roleChangeRoutes(shared))
    void guarded.register(auditRoutes(shared))
    void guarded.register(reportRoutes(shared))
    void guarded.register(allowlistRoutes(deps))
    void guarded.register(environmentRoutes(deps))
    void guarded.register(deliveryRoutes(deps))
    void guarded.register(matrixRoute(deps))
    void guarded.register(lookUpRoutes(deps.matrices))
    void guarded.register(metricsRoute(deps.registry))
    void guarded.register(docsRoutes(deps.checkApp))
    done()
  })
  return app
}

/** Access first, so that the rate is counted by caller and an unknown one fills nobody's count. */
function guardRoutes(app: FastifyInstance, deps: AdminAppDeps): void {
  const { auth, maxEventLoopDelayMs = MAX_EVENT_LOOP_DELAY_MS } = deps
  const access = requireAccess(auth, (request) => {
    const { config, url = '' } = request.routeOptions
    if (config.scopes) return config.scopes
    if (url.startsWith('/docs')) return READ_SCOPES
    return request.method === 'GET' || request.method === 'HEAD' ? ['admin:read'] : ['admin:write']
  })
  app.addHook('onRequest', (request, _reply, done) => access(request, done))
  void app.register(fastifyRateLimit, {
    ...RATE,
    hook: 'preParsing',
    keyGenerator: callerOf,
    // A page of the documentation is a dozen files.
    allowList: (request) => request.routeOptions.url?.startsWith('/docs') === true,
  })
  void app.register(fastifyUnderPressure, {
    maxEventLoopDelay: maxEventLoopDelayMs,
    pressureHandler: () => {
      const message = 'the service has no time just now'
      throw new Failure('overloaded', message, { retryAfterSeconds: 10 })
    },
  })
}

/** An empty body of type JSON is the same as none: clients send the type out of habit. */
function takeEmptyBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, null)
    else void parse(request, body as string, done)
  })
}
