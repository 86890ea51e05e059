import { createRandom, type Random } from './random.ts'

export const MEDIA_TYPES = ['voice', 'callback', 'chat', 'email', 'message'] as const

export type MediaType = (typeof MEDIA_TYPES)[number]

/** One conversation that was offered to a queue. Times in milliseconds. */
export interface Conversation {
  readonly startMs: number
  /** Until it was answered or given up. */
  readonly waitMs: number
  readonly answered: boolean
  /** All of what follows is 0 when it was not answered. */
  readonly alertMs: number
  readonly talkMs: number
  readonly heldMs: number
  readonly acwMs: number
  readonly transferred: boolean
}

interface MediaTraits {
  /** Conversations in relation to calls. */
  readonly share: number
  /** The chance that a queue has this medium at all. */
  readonly spread: number
  readonly waitMs: number
  readonly patienceMs: number
  readonly talkMs: number
}

const TRAITS: Readonly<Record<MediaType, MediaTraits>> = {
  voice: { share: 1, spread: 1, waitMs: 14_000, patienceMs: 120_000, talkMs: 240_000 },
  callback: { share: 0.1, spread: 0.4, waitMs: 60_000, patienceMs: 900_000, talkMs: 210_000 },
  chat: { share: 0.3, spread: 0.5, waitMs: 20_000, patienceMs: 150_000, talkMs: 480_000 },
  email: { share: 0.2, spread: 0.6, waitMs: 9_000_000, patienceMs: 9e9, talkMs: 360_000 },
  message: { share: 0.4, spread: 0.5, waitMs: 30_000, patienceMs: 300_000, talkMs: 540_000 },
}

const SLOT_MS = 1_800_000
const DAY_MS = 86_400_000
const SUNDAY = 0
const SATURDAY = 6

function exponential(random: Random, mean: number): number {
  return Math.round(-Math.log(1 - random.next()) * mean)
}

/** Calls in the busiest half hour of the queue. */
function peakOf(queueId: string): number {
  return 2 + createRandom(1, `${queueId} volume`).below(8)
}

/** The media that a queue has: always the same for the same queue, voice among them. */
export function mediaOf(queueId: string): MediaType[] {
  return MEDIA_TYPES.filter((media) =>
    createRandom(1, `${queueId} has ${media}`).chance(TRAITS[media].spread),
  )
}

/** Busy in the middle of a working day (UTC), quiet at night and on weekends. */
function load(slot: number): number {
  const at = slot * SLOT_MS
  const hour = (at % DAY_MS) / 3_600_000
  const day = new Date(at).getUTCDay()
  const hours = hour < 6 || hour >= 21 ? 0.04 : Math.sin(((hour - 5) / 17) * Math.PI)
  return day === SATURDAY || day === SUNDAY ? hours * 0.25 : hours
}

function conversation(random: Random, slot: number, traits: MediaTraits): Conversation {
  const startMs = slot * SLOT_MS + random.below(SLOT_MS)
  const queued = exponential(random, traits.waitMs)
  const patience = exponential(random, traits.patienceMs)
  const answered = queued <= patience
  const work = (chance: number, mean: number): number =>
    random.chance(chance) && answered ? 1 + exponential(random, mean) : 0
  return {
    startMs,
    waitMs: Math.min(queued, patience),
    answered,
    alertMs: work(1, 3000),
    talkMs: work(1, traits.talkMs),
    heldMs: work(0.15, 40_000),
    acwMs: work(0.9, 45_000),
    transferred: random.chance(0.08) && answered,
  }
}

/** The same half hour of the same queue holds the same conversations, whoever asks and when. */
function conversationsOfSlot(queueId: string, media: MediaType, slot: number): Conversation[] {
  const random = createRandom(slot, `${queueId} ${media}`)
  const traits = TRAITS[media]
  const expected = peakOf(queueId) * traits.share * load(slot) * (0.5 + random.next())
  const count = Math.floor(expected + random.next())
  return Array.from({ length: count }, () => conversation(random, slot, traits))
}

/**
 * All that were offered from one instant up to, not including, the other. Windows that meet give
 * together what the whole gives.
 */
export function* conversationsBetween(
  queueId: string,
  media: MediaType,
  fromMs: number,
  toMs: number,
): Generator<Conversation> {
  for (let slot = Math.floor(fromMs / SLOT_MS); slot * SLOT_MS < toMs; slot += 1) {
    for (const found of conversationsOfSlot(queueId, media, slot)) {
      if (found.startMs >= fromMs && found.startMs < toMs) yield found
    }
  }
}
