import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { Failure } from '../../domain/failure.ts'
import type { ReportStore, StoredReport } from '../../domain/report-store.ts'
import { REPORT_STATES } from '../../domain/report-store.ts'
import type { Reports } from '../../domain/report.ts'
import { openReportText } from '../../domain/report-text.ts'
import { callerOf } from '../access.ts'
import { problems } from '../schemas.ts'
import { renderCsv } from './report-csv.ts'
import { renderHtml } from './report-html.ts'
import type { FindUserDeps } from './find-user.ts'
import { ReportBody, readReportRequest } from './report-request.ts'
import { REPORT_POLICY } from './report-style.ts'

export type ReportRouteDeps = FindUserDeps & {
  readonly reports: Reports
  readonly reportStore: Pick<ReportStore, 'find' | 'content'>
  /** Epoch milliseconds. */
  readonly now: () => number
}

const FORMATS = ['json', 'csv', 'html'] as const
type Format = (typeof FORMATS)[number]

const REPORT_MEMBERS = {
  id: Type.String(),
  state: Type.Enum([...REPORT_STATES]),
  progress: Type.Object({ done: Type.Integer(), total: Type.Integer() }),
  request: Type.Record(Type.String(), Type.Unknown()),
  requestedBy: Type.String(),
  startedAt: Type.String(),
  finishedAt: Type.Optional(Type.String()),
  error: Type.Optional(Type.String()),
}
type ReportAnswer = ReturnType<typeof describeReport>

/** `/admin/v1/audit/reports`: have one made, follow it, take it. */
export function reportRoutes(deps: ReportRouteDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    void app.register(startRoute(deps))
    void app.register(reportRoute(deps))
    done()
  }
}

function startRoute(deps: ReportRouteDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    app.post(
      '/admin/v1/audit/reports',
      {
        config: { scopes: ['admin:read', 'admin:write'] },
        schema: {
          operationId: 'startReport',
          summary: 'Have a report made',
          description:
            'Answers 202; the report is made in the background. It changes nothing: the scope `admin:read` will do.',
          tags: ['audit'],
          body: ReportBody,
          response: {
            202: Type.Unsafe<ReportAnswer>(
              Type.Object(REPORT_MEMBERS, {
                description: 'Queued; `Location` says where to follow it',
              }),
            ),
            ...problems(400, 401, 403, 415, 429, 503),
          },
        },
      },
      async (request, reply) => {
        const asked = await readReportRequest(request.body, deps, deps.now())
        const origin = { requestedBy: callerOf(request), requestId: request.id }
        const { id } = await deps.reports.start(asked, origin)
        const report = await deps.reportStore.find(id)
        reply.header('location', `/admin/v1/audit/reports/${encodeURIComponent(id)}`)
        return await reply.code(202).send(describeReport(report))
      },
    )
    done()
  }
}

function reportRoute(deps: ReportRouteDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    app.get(
      '/admin/v1/audit/reports/:id',
      {
        schema: {
          operationId: 'getReport',
          summary: 'Follow a report, and take it',
          description:
            'As JSON with `report` once it is made; as CSV for spreadsheets, or as one page for people and paper, by `format` or `Accept`. Asked for as CSV or HTML before it is made, or when it failed, it is a 409.',
          tags: ['audit'],
          params: Type.Object({ id: Type.String({ minLength: 1, maxLength: 128 }) }),
          querystring: Type.Object({ format: Type.Optional(Type.Enum([...FORMATS])) }),
          response: {
            200: {
              description: 'The report, or how far it is',
              content: {
                'application/json': {
                  schema: Type.Object({
                    ...REPORT_MEMBERS,
                    report: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
                  }),
                },
                'text/csv': { schema: Type.String() },
                'text/html': { schema: Type.String() },
              },
            },
            ...problems(400, 401, 403, 404, 409, 429, 503),
          },
        },
      },
      async (request, reply) => {
        const format = request.query.format ?? preferredFormat(request.headers.accept)
        reply.header('vary', 'accept')
        const report = await deps.reportStore.find(request.params.id)
        const content = deps.reportStore.content(report.id)
        if (format === 'json') {
          return await reply
            .type('application/json; charset=utf-8')
            .send(inPieces(asJson(report, content)) as never)
        }
        requireMade(report)
        const opened = await openReportText(content)
        const name = `report-${report.id.replaceAll(/[^\w-]/g, '')}.${format}`
        if (format === 'csv') {
          reply.header('content-disposition', `attachment; filename="${name}"`)
          return await reply
            .type('text/csv; charset=utf-8')
            .send(inPieces(renderCsv(opened)) as never)
        }
        reply.header('content-disposition', `inline; filename="${name}"`)
        reply.header('content-security-policy', REPORT_POLICY)
        return await reply
          .type('text/html; charset=utf-8')
          .send(inPieces(renderHtml(opened)) as never)
      },
    )
    done()
  }
}

/** The first type of the list that is offered; JSON for none. */
function preferredFormat(accept: string | undefined): Format {
  for (const type of (accept ?? '').toLowerCase().split(',', 20)) {
    const [name = ''] = type.split(';', 1)
    if (name.trim() === 'text/csv') return 'csv'
    if (name.trim() === 'text/html') return 'html'
    if (name.trim() === 'application/json') return 'json'
  }
  return 'json'
}

function describeReport({ id, state, request, requestedBy, ...rest }: StoredReport) {
  return {
    id,
    state,
    progress: { done: state === 'running' ? 0 : 1, total: 1 },
    request,
    requestedBy,
    startedAt: new Date(rest.createdAt).toISOString(),
    ...(rest.finishedAt === null ? {} : { finishedAt: new Date(rest.finishedAt).toISOString() }),
    ...(rest.error === undefined ? {} : { error: rest.error }),
  }
}

/** The content is JSON already: it passes by the schema, and is not parsed only to be written again. */
async function* asJson(
  report: StoredReport,
  content: AsyncIterable<string>,
): AsyncGenerator<string> {
  const told = JSON.stringify(describeReport(report))
  if (report.state !== 'succeeded') {
    yield told
    return
  }
  yield `${told.slice(0, -1)},"report":`
  yield* content
  yield '}'
}

function requireMade({ state, error }: StoredReport): void {
  if (state === 'succeeded') return
  const reason = state === 'running' ? 'is being made' : `failed: ${error ?? 'unknown'}`
  throw new Failure('conflict', `the report ${reason}`)
}

/** Checks on the same thread get their turn between pieces. */
function inPieces(pieces: AsyncGenerator<string>): Readable {
  return Readable.from(
    (async function* turns() {
      for await (const piece of pieces) {
        yield piece
        await nextTurn()
      }
    })(),
    { objectMode: false },
  )
}
