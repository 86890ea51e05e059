import { writeSync } from 'node:fs'
import { Writable } from 'node:stream'

/**
 * A file that is open already, as a stream. Node's own stream takes a write that a full disk cut
 * short for a whole one; this one goes on until all is written or an error says that it cannot be.
 * Like Node's it writes at once: what was written before the process ends is there.
 */
export function fileSink(descriptor: number): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      try {
        for (let at = 0; at < chunk.length;) at += writeSync(descriptor, chunk, at)
        done()
      } catch (error) {
        done(error as Error)
      }
    },
  })
}
