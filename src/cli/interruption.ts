import { constants } from 'node:os'

/** Why work is given up: somebody pressed Ctrl-C, or the process is told to end. */
export class Interruption extends Error {
  override readonly name = 'Interruption'
  /** As shells count: 128 and the signal's number. */
  readonly exitCode: number

  constructor(signal: 'SIGINT' | 'SIGTERM') {
    super(signal === 'SIGINT' ? 'interrupted' : 'told to end')
    this.exitCode = 128 + constants.signals[signal]
  }
}
