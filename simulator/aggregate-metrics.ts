import type { Conversation } from './conversation-facts.ts'

/** What a queue promises: so great a share of conversations answered within the time. */
export interface ServiceLevel {
  readonly percentage: number
  readonly durationMs: number
}

type Timer = (conversation: Conversation) => number | undefined
type Counter = (conversation: Conversation, level: ServiceLevel) => boolean

const ifAnswered =
  (read: Timer): Timer =>
  (conversation) =>
    conversation.answered ? read(conversation) : undefined

const ifSome =
  (read: (conversation: Conversation) => number): Timer =>
  (conversation) =>
    read(conversation) > 0 ? read(conversation) : undefined

/** Milliseconds; a conversation without a value is not counted. */
const TIMERS: Readonly<Record<string, Timer>> = {
  tAnswered: ifAnswered(({ waitMs }) => waitMs),
  tAbandon: ({ answered, waitMs }) => (answered ? undefined : waitMs),
  tWait: ({ waitMs }) => waitMs,
  tAcd: ({ waitMs }) => waitMs,
  tAlert: ifAnswered(({ alertMs }) => alertMs),
  tTalk: ifAnswered(({ talkMs }) => talkMs),
  tTalkComplete: ifAnswered(({ talkMs }) => talkMs),
  tHeld: ifSome(({ heldMs }) => heldMs),
  tHeldComplete: ifSome(({ heldMs }) => heldMs),
  tAcw: ifSome(({ acwMs }) => acwMs),
  tHandle: ifAnswered(({ talkMs, heldMs, acwMs }) => talkMs + heldMs + acwMs),
}

const inTime: Counter = ({ answered, waitMs }, level) => answered && waitMs <= level.durationMs

const COUNTERS: Readonly<Record<string, Counter>> = {
  nOffered: () => true,
  nConnected: ({ answered }) => answered,
  nTransferred: ({ transferred }) => transferred,
  nOverSla: (conversation, level) => conversation.answered && !inTime(conversation, level),
}

const SERVICE_LEVEL = 'oServiceLevel'

/** Metrics of the platform that no conversation here has a value for. */
const SILENT: readonly string[] = (
  'tShortAbandon tFlowOut tVoicemail tIvr tMonitoring tNotResponding tContacting tDialing ' +
  'tAgentResponseTime tUserResponseTime tFirstDial nBlindTransferred nConsult ' +
  'nConsultTransferred nError nOutbound nOutboundAbandoned nOutboundAttempted ' +
  'nOutboundConnected nStateTransitionError oServiceTarget'
).split(' ')

/** The metrics that may be asked for; the platform has some ninety more. */
export const METRICS: readonly string[] = [
  ...Object.keys(TIMERS),
  ...Object.keys(COUNTERS),
  SERVICE_LEVEL,
  ...SILENT,
]

class TimerStats {
  #count = 0
  #sum = 0
  #min = Infinity
  #max = 0

  add(value: number): void {
    this.#count += 1
    this.#sum += value
    this.#min = Math.min(this.#min, value)
    this.#max = Math.max(this.#max, value)
  }

  get stats(): object | undefined {
    if (this.#count === 0) return undefined
    return { max: this.#max, min: this.#min, count: this.#count, sum: this.#sum }
  }
}

class CounterStats {
  #count = 0

  add(counts: boolean): void {
    if (counts) this.#count += 1
  }

  get stats(): object | undefined {
    return this.#count === 0 ? undefined : { count: this.#count }
  }
}

class ServiceLevelStats {
  #met = 0
  #all = 0
  #target = 0

  add(met: boolean, target: number): void {
    if (met) this.#met += 1
    this.#all += 1
    this.#target = target
  }

  get stats(): object {
    const ratio = this.#met / this.#all
    return { ratio, numerator: this.#met, denominator: this.#all, target: this.#target }
  }
}

interface Measure {
  readonly metric: string
  readonly add: (conversation: Conversation, level: ServiceLevel) => void
  readonly stats: () => object | undefined
}

function measureOf(metric: string): Measure {
  const timer = TIMERS[metric]
  if (timer !== undefined) {
    const kept = new TimerStats()
    return {
      metric,
      add(conversation) {
        const value = timer(conversation)
        if (value !== undefined) kept.add(value)
      },
      stats: () => kept.stats,
    }
  }
  const counter = COUNTERS[metric]
  if (counter !== undefined) {
    const kept = new CounterStats()
    return {
      metric,
      add: (conversation, level) => kept.add(counter(conversation, level)),
      stats: () => kept.stats,
    }
  }
  if (metric !== SERVICE_LEVEL) return { metric, add: () => {}, stats: () => undefined }
  const kept = new ServiceLevelStats()
  return {
    metric,
    add: (conversation, level) => kept.add(inTime(conversation, level), level.percentage),
    stats: () => kept.stats,
  }
}

/** The metrics of one group in one interval. It is made when there is something to add. */
export class MetricSheet {
  readonly #measures: readonly Measure[]

  constructor(metrics: readonly string[]) {
    this.#measures = metrics.map(measureOf)
  }

  add(conversation: Conversation, level: ServiceLevel): void {
    for (const measure of this.#measures) measure.add(conversation, level)
  }

  /** A metric without a value is left out, as the platform does. */
  toJSON(): object[] {
    return this.#measures.flatMap(({ metric, stats }) => {
      const found = stats()
      return found === undefined ? [] : [{ metric, stats: found }]
    })
  }
}
