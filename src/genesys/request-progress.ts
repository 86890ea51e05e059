import type { Progress } from '../domain/directory.ts'

/** Requests done and known to be needed. The total grows as more is known and never shrinks. */
export class RequestProgress {
  #done = 0
  #planned = 0
  #total = 0
  readonly #onProgress: (progress: Progress) => void

  constructor(onProgress: (progress: Progress) => void) {
    this.#onProgress = onProgress
  }

  /** So many more requests are needed; fewer when negative, which the total does not follow. */
  plan(requests: number): void {
    this.#planned += requests
    this.#total = Math.max(this.#total, this.#planned)
    this.#report()
  }

  /** One of the planned requests was answered. */
  step(): void {
    this.#done += 1
    this.#report()
  }

  /** All is read, whatever was planned. */
  finish(): void {
    this.#total = Math.max(this.#total, this.#done)
    this.#done = this.#total
    this.#report()
  }

  #report(): void {
    this.#onProgress({ done: this.#done, total: this.#total })
  }
}
