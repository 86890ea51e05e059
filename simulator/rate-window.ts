const WINDOW_MS = 60_000

/** A number of requests a minute for each key. The minute begins with a key's first request. */
export class RateWindow {
  limit: number
  readonly #now: () => number
  readonly #windows = new Map<string, { startedAt: number; used: number }>()

  /** A limit of 0 is no limit. */
  constructor(limit: number, now: () => number) {
    this.limit = limit
    this.#now = now
  }

  /** 0 when the request may pass, else the seconds until the next minute begins. */
  take(key: string): number {
    if (this.limit === 0) return 0
    const now = this.#now()
    let window = this.#windows.get(key)
    if (window === undefined || now - window.startedAt >= WINDOW_MS) {
      window = { startedAt: now, used: 0 }
      this.#windows.set(key, window)
    }
    if (window.used >= this.limit) {
      return Math.max(1, Math.ceil((window.startedAt + WINDOW_MS - now) / 1000))
    }
    window.used += 1
    return 0
  }

  /** All keys begin a new minute. */
  reset(): void {
    this.#windows.clear()
  }
}
