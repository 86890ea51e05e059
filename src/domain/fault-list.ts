import { Failure } from './failure.ts'
import type { Fault } from './failure.ts'

/** Faults told of in one failure. */
const MAX_FAULTS = 100
/** Faults of a request that come with a hint: finding a nearest name is not cheap. */
export const MAX_HINTS = 5

/** What is wrong; `hint` is false once the sender was given enough of them. */
export type FaultMessage = string | ((hint: boolean) => string)

/** Collects what is wrong with a request, so that its sender can mend it in one go. */
export class FaultList {
  readonly #faults: Fault[] = []
  #count = 0
  #hints = 0

  /** The message is made only while there is room. */
  add(field: string, message: FaultMessage): void {
    this.#count += 1
    if (this.#faults.length >= MAX_FAULTS) return
    if (typeof message === 'string') {
      this.#faults.push({ field, message })
      return
    }
    this.#faults.push({ field, message: message(this.#hints < MAX_HINTS) })
    this.#hints += 1
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
