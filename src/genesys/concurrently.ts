/**
 * Runs `run` for each item, at most `limit` at a time, results in the items' order. The first error
 * ends it: nothing new is started, and it rejects once what runs has ended.
 */
export async function concurrently<Item, Result>(
  items: readonly Item[],
  limit: number,
  run: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  let next = 0
  let failed = false
  const work = async (): Promise<void> => {
    while (next < items.length && !failed) {
      const index = next++
      try {
        results[index] = await run(items[index] as Item)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  await allOrFirstError(Array.from({ length: Math.min(limit, items.length) }, work))
  return results
}

/** Like `Promise.all`, but rejects only when every promise has settled: nothing is left running. */
export async function allOrFirstError<Values extends readonly unknown[]>(promises: {
  readonly [Index in keyof Values]: Promise<Values[Index]>
}): Promise<Values> {
  const all = Promise.all(promises)
  await Promise.allSettled([all, ...promises])
  return all as Promise<unknown> as Promise<Values>
}
