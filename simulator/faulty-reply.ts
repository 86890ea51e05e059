import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { htmlError, spoil, usualCode } from './fault-effects.ts'
import type { FaultRule } from './faults.ts'
import type { Platform } from './platform.ts'
import { PlatformError } from './platform-error.ts'

const DEFAULT_DELAY_MS = 1000

/** How the rest of the request goes on. */
export type Start = 'answer' | 'answered'

function retryAfter(rule: FaultRule): Record<string, string> {
  const seconds = rule.retryAfterSeconds
  return seconds === undefined ? {} : { 'Retry-After': String(seconds) }
}

/** A simulator that closes does not answer what still waits: it hangs up. */
async function waitFor(
  { closing }: Platform,
  { until, delayMs = DEFAULT_DELAY_MS }: FaultRule,
  reply: FastifyReply,
): Promise<Start> {
  const over = new AbortController()
  try {
    closing.throwIfAborted()
    if (until) await Promise.race([until, once(closing, 'abort', { signal: over.signal })])
    else await wait(delayMs, undefined, { signal: closing })
    closing.throwIfAborted()
    return 'answer'
  } catch {
    reply.hijack()
    reply.raw.destroy()
    return 'answered'
  } finally {
    over.abort()
  }
}

/** What a fault does before the true answer is made. May throw the error that it stands for. */
export async function startFaulty(
  platform: Platform,
  rule: FaultRule,
  reply: FastifyReply,
): Promise<Start> {
  const headers = retryAfter(rule)
  switch (rule.kind) {
    case 'status': {
      const status = rule.status ?? 500
      const { message = `The simulator was told to answer ${status}.` } = rule
      throw new PlatformError(status, rule.code ?? usualCode(status), message, { headers })
    }
    case 'html-error': {
      const status = rule.status ?? 502
      void reply.code(status).headers(headers).type('text/html').send(htmlError(status))
      return 'answered'
    }
    case 'hang':
      reply.hijack()
      return 'answered'
    case 'reset':
      reply.hijack()
      reply.raw.socket?.resetAndDestroy()
      return 'answered'
    case 'slow':
      return waitFor(platform, rule, reply)
    default:
      return 'answer'
  }
}

/** Promises the whole body, sends half of it and hangs up. */
function breakOff(reply: FastifyReply, body: string): void {
  reply.hijack()
  const bytes = Buffer.from(body)
  reply.raw.writeHead(200, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': bytes.length,
  })
  reply.raw.write(bytes.subarray(0, bytes.length >> 1), () => reply.raw.socket?.destroy())
}

/** What a fault makes of a true answer. Undefined when the reply is gone already. */
export function endFaulty(rule: FaultRule, reply: FastifyReply, body: string): string | undefined {
  switch (rule.kind) {
    case 'lost-answer':
      reply.hijack()
      reply.raw.socket?.resetAndDestroy()
      return undefined
    case 'close-mid-body':
      breakOff(reply, body)
      return undefined
    case 'malformed-body':
    case 'truncate-page':
    case 'drop-field':
    case 'wrong-total':
      return spoil(body, rule)
    default:
      return body
  }
}

/** The fault that strikes this request, if any. */
export function takeFault(
  platform: Platform,
  request: FastifyRequest,
  template: string,
): FaultRule | undefined {
  return platform.faults.take({ method: request.method, template, url: request.url })
}
