const waiting: (() => void)[] = []

/**
 * Resolves in a later turn of the event loop, one caller to a turn: between two slices of long work
 * everything else gets its turn, however many requests are being worked on in slices.
 */
export function nextTurn(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  waiting.push(resolve)
  if (waiting.length === 1) setImmediate(releaseOne)
  return promise
}

function releaseOne(): void {
  waiting.shift()?.()
  // Set in an immediate, it is one of the next turn.
  if (waiting.length > 0) setImmediate(releaseOne)
}
