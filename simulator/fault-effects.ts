import type { FaultRule } from './faults.ts'

const USUAL_CODES: Readonly<Record<number, string>> = {
  400: 'bad.request',
  401: 'bad.credentials',
  403: 'not.authorized',
  404: 'not.found',
  408: 'client.timeout',
  409: 'request.conflict',
  413: 'request.entity.too.large',
  415: 'unsupported.media.type',
  429: 'too.many.requests',
  500: 'internal.server.error',
  503: 'service.unavailable',
  504: 'request.timeout',
}

export function usualCode(status: number): string {
  return USUAL_CODES[status] ?? 'internal.server.error'
}

/** What an edge in front of the platform sends: not the platform's error form. */
export function htmlError(status: number): string {
  return `<html><head><title>${status}</title></head><body><h1>${status}</h1></body></html>`
}

type Envelope = Record<string, unknown>

/** Listings call what they carry `entities`; searches and aggregates call it `results`. */
function carrier(envelope: Envelope): 'entities' | 'results' {
  return 'entities' in envelope ? 'entities' : 'results'
}

function truncate(envelope: Envelope): void {
  const name = carrier(envelope)
  const items = envelope[name]
  if (Array.isArray(items)) envelope[name] = items.slice(0, items.length >> 1)
}

function dropField(envelope: Envelope, field: string): void {
  if (field in envelope) {
    delete envelope[field]
    return
  }
  const items = envelope[carrier(envelope)]
  for (const item of Array.isArray(items) ? items : []) delete item[field]
}

/** The answer's body after the fault: valid JSON that lies, or JSON that breaks off. */
export function spoil(body: string, rule: FaultRule): string {
  if (rule.kind === 'malformed-body') return body.slice(0, Math.max(1, body.length >> 1))
  const envelope: Envelope = JSON.parse(body)
  if (rule.kind === 'truncate-page') truncate(envelope)
  if (rule.kind === 'drop-field') dropField(envelope, rule.field ?? 'total')
  if (rule.kind === 'wrong-total') envelope['total'] = rule.total ?? Number(envelope['total']) + 1
  return JSON.stringify(envelope)
}
