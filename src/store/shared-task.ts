type Running<T> = {
  readonly result: Promise<T>
  readonly controller: AbortController
  callers: number
}

/**
 * Work that is done once for all who ask while it goes on. A caller who aborts is let go with the
 * signal's reason; the work itself is aborted once nobody waits for it any more.
 */
export class SharedTask<T> {
  readonly #work: (signal: AbortSignal) => Promise<T>
  #running: Running<T> | undefined

  constructor(work: (signal: AbortSignal) => Promise<T>) {
    this.#work = work
  }

  async run(signal: AbortSignal): Promise<T> {
    signal.throwIfAborted()
    const running = (this.#running ??= this.#start())
    running.callers += 1
    const aborted = Promise.withResolvers<never>()
    const abort = (): void => aborted.reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    try {
      return await Promise.race([running.result, aborted.promise])
    } finally {
      signal.removeEventListener('abort', abort)
      running.callers -= 1
      if (running.callers === 0) this.#abandon(running)
    }
  }

  #start(): Running<T> {
    const controller = new AbortController()
    const result = this.#work(controller.signal)
    const running = { result, controller, callers: 0 }
    const ended = (): void => {
      if (this.#running === running) this.#running = undefined
    }
    result.then(ended, ended)
    return running
  }

  /** Who asks from now on gets work that was begun for them. */
  #abandon(running: Running<T>): void {
    if (this.#running === running) this.#running = undefined
    running.controller.abort()
  }
}
