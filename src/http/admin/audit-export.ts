import { once } from 'node:events'
import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { AuditEntry } from '../../domain/audit.ts'

export const NDJSON = 'application/x-ndjson'

/** Lines go out in pieces of about this many characters. */
const PIECE = 32 * 1024
/** A reader who takes longer than this is cut off; what was sent is whole lines. */
const MAX_EXPORT_MS = 30 * 60_000

/** Whether the caller prefers a line for each entry over pages. */
export function wantsNdjson(accept: string | undefined): boolean {
  const types = (accept ?? '').toLowerCase().split(',', 20)
  return types.some((type) => {
    const [name = ''] = type.split(';', 1)
    return name.trim() === NDJSON
  })
}

/**
 * Answers with one line of JSON for each entry, as fast as the caller reads. Resolves when the last
 * line is sent or the caller is gone. The first entry is read before anything is answered: a store
 * that is down gives a problem, not an answer that breaks off.
 */
export async function sendEntries(
  reply: FastifyReply,
  entries: AsyncIterable<AuditEntry>,
): Promise<void> {
  const iterator = entries[Symbol.asyncIterator]()
  const first = await iterator.next()
  const stream = Readable.from(pieces(first, iterator), { objectMode: false })
  const timer = setTimeout(() => stream.destroy(), MAX_EXPORT_MS).unref()
  // What breaks a stream off is Fastify's to tell the caller; here it only is the end.
  const closed = once(stream, 'close').catch(() => undefined)
  void reply.type(NDJSON).send(stream)
  try {
    await closed
  } finally {
    clearTimeout(timer)
  }
}

async function* pieces(
  first: IteratorResult<AuditEntry>,
  iterator: AsyncIterator<AuditEntry>,
): AsyncGenerator<string> {
  let piece = ''
  try {
    for (let next = first; next.done !== true; next = await iterator.next()) {
      piece += `${JSON.stringify(next.value)}\n`
      if (piece.length < PIECE) continue
      yield piece
      piece = ''
    }
    if (piece !== '') yield piece
  } finally {
    await iterator.return?.()
  }
}
