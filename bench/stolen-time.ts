import { readFileSync } from 'node:fs'

/** Processor time of all cores in ticks since the machine started; what the host took is in it. */
export type ProcessorTime = { readonly all: number; readonly stolen: number }

/**
 * What the machine's cores did, for {@link stolenShare}. Where the kernel does not tell (no Linux),
 * nothing counts as stolen.
 */
export function processorTime(): ProcessorTime {
  try {
    const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n')
    // proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal; guests are in user.
    const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number)
    return { all: ticks.reduce((sum, value) => sum + value, 0), stolen: ticks[7] ?? 0 }
  } catch {
    return { all: 0, stolen: 0 }
  }
}

/** Share of the processor time, 0 to 1, that a virtual machine's host took since `before`. */
export function stolenShare(before: ProcessorTime): number {
  const now = processorTime()
  return (now.stolen - before.stolen) / Math.max(1, now.all - before.all)
}
