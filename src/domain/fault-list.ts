import { Failure } from './failure.ts'
import type { Fault } from './failure.ts'

/** Faults told of in one failure. */
const MAX_FAULTS = 100

/** Collects what is wrong with a request, so that its sender can mend it in one go. */
export class FaultList {
  readonly #faults: Fault[] = []
  #count = 0

  /** The message is made only while there is room: finding a nearest name is not cheap. */
  add(field: string, message: string | (() => string)): void {
    this.#count += 1
    if (this.#faults.length >= MAX_FAULTS) return
    this.#faults.push({ field, message: typeof message === 'string' ? message : message() })
  }

  /** Throws `invalid` with all that was found; returns when nothing was. */
  throwIfAny(): void {
    const [first] = this.#faults
    if (first === undefined) return
    const more = this.#count - 1
    const rest = more === 0 ? '' : ` (and ${more} more ${more === 1 ? 'fault' : 'faults'})`
    const { field, message } = first
    throw new Failure('invalid', `${field}: ${message}${rest}`, { field, faults: this.#faults })
  }
}
