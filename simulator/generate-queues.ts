import { DEFAULT_SETTINGS, readSettings } from './queue-settings.ts'
import type { Random } from './random.ts'
import type { DivisionRecord, QueueRecord, UserRecord } from './records.ts'
import type { World } from './world.ts'

const SUBJECTS: readonly string[] = (
  'Service Sales Billing Claims Orders Returns Retention Complaints Technical VIP Onboarding ' +
  'Payments Cancellations Switchboard'
).split(' ')

const LANGUAGES: readonly string[] = 'EN DE FR ES IT PL PT NL'.split(' ')
const FOUNDED = '2024-01-08T09:00:00.000Z'
const MEMBERS_ON_AVERAGE = 12

/** `Service EN`, `Sales EN`, … `Service DE`, …; numbered once all of them are used. */
function nameAt(position: number): string {
  const subject = SUBJECTS[position % SUBJECTS.length] ?? 'Queue'
  const round = Math.floor(position / SUBJECTS.length)
  const language = LANGUAGES[round % LANGUAGES.length] ?? 'EN'
  const number = Math.floor(round / LANGUAGES.length)
  return number === 0 ? `${subject} ${language}` : `${subject} ${language} ${number + 1}`
}

function someSettings(random: Random): Record<string, unknown> {
  const seconds = random.pick([15, 20, 30])
  const serviceLevel = { percentage: random.pick([0.7, 0.8, 0.9]), durationMs: seconds * 1000 }
  return {
    mediaSettings: { call: { alertingTimeoutSeconds: random.pick([8, 15, 20]), serviceLevel } },
    acwSettings: random.chance(0.7)
      ? DEFAULT_SETTINGS['acwSettings']
      : { wrapupPrompt: 'OPTIONAL' },
    skillEvaluationMethod: random.pick(['BEST', 'ALL', 'NONE']),
    enableTranscription: random.chance(0.4),
    ...(random.chance(0.5) && { callingPartyName: 'Contact Centre' }),
  }
}

function someQueue(
  random: Random,
  position: number,
  divisions: readonly DivisionRecord[],
): QueueRecord {
  const founder = random.uuid()
  return {
    id: random.uuid(),
    name: nameAt(position),
    divisionId: random.pick(divisions).id,
    dateCreated: FOUNDED,
    dateModified: FOUNDED,
    createdBy: founder,
    modifiedBy: founder,
    settings: readSettings(someSettings(random)),
  }
}

function addMembers(
  world: World,
  random: Random,
  queueId: string,
  users: readonly UserRecord[],
): void {
  if (users.length === 0) return
  for (let count = random.below(2 * MEMBERS_ON_AVERAGE + 1); count > 0; count -= 1) {
    const ringNumber = random.chance(0.85) ? 1 : 2
    const joined = random.chance(0.9)
    world.queues.putMember(queueId, random.pick(users).id, { ringNumber, joined })
  }
}

/** Queues in all divisions, with active users as members, whatever their division. */
export function generateQueues(world: World, random: Random, count: number): void {
  const divisions = [...world.divisions.values()]
  const users = world.users('active')
  for (let position = 0; position < count; position += 1) {
    const queue = someQueue(random, position, divisions)
    world.queues.put(queue)
    addMembers(world, random, queue.id, users)
  }
}
