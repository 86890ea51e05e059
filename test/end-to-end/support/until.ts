import { setTimeout as delay } from 'node:timers/promises'

const PAUSE_MS = 60
/** Ends a hopeless wait, nothing else: a busy machine may stand still for many seconds. */
const PATIENCE_MS = 120_000

type Falsy = false | undefined | null | 0 | ''

/** What the condition gives once it holds. Throws when it has not after two minutes. */
export async function until<Value>(
  what: string,
  condition: () => Value | Falsy | Promise<Value | Falsy>,
): Promise<Value> {
  const end = performance.now() + PATIENCE_MS
  for (;;) {
    const value = await condition()
    if (value) return value
    if (performance.now() > end) throw new Error(`waited in vain until ${what}`)
    await delay(PAUSE_MS)
  }
}
