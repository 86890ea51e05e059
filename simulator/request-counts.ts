/** What callers asked of the platform, so that tests can count requests instead of guessing. */
export class RequestCounts {
  /** By method and path template, such as `GET /api/v2/users/{userId}`. */
  readonly byOperation = new Map<string, number>()
  readonly byStatus = new Map<number, number>()
  total = 0
  inFlight = 0
  peakInFlight = 0

  begin(operation: string): void {
    this.total += 1
    this.byOperation.set(operation, this.of(operation) + 1)
    this.inFlight += 1
    this.peakInFlight = Math.max(this.peakInFlight, this.inFlight)
  }

  /** `status` is undefined when no answer went out. */
  end(status: number | undefined): void {
    this.inFlight -= 1
    if (status !== undefined) this.byStatus.set(status, (this.byStatus.get(status) ?? 0) + 1)
  }

  of(operation: string): number {
    return this.byOperation.get(operation) ?? 0
  }

  /** Requests that are under way stay counted as such. */
  reset(): void {
    this.byOperation.clear()
    this.byStatus.clear()
    this.total = 0
    this.peakInFlight = this.inFlight
  }

  toJSON(): object {
    return {
      total: this.total,
      peakInFlight: this.peakInFlight,
      inFlight: this.inFlight,
      byOperation: Object.fromEntries(this.byOperation),
      byStatus: Object.fromEntries(this.byStatus),
    }
  }
}
