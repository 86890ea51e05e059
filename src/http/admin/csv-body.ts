import type { FastifyInstance } from 'fastify'
import { Failure } from '../../domain/failure.ts'

/** Takes `text/csv` on the routes of one plugin, as text. Bytes that are no UTF-8 are `invalid`. */
export function takeCsv(app: FastifyInstance): void {
  app.addContentTypeParser('text/csv', { parseAs: 'buffer' }, (_request, body, done) => {
    let text: string
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(body as Buffer)
    } catch {
      done(new Failure('invalid', 'the CSV is not UTF-8'))
      return
    }
    done(null, text)
  })
}
