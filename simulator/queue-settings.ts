import { badRequest, invalidValue } from './platform-error.ts'
import { text } from './request-body.ts'

type Settings = Readonly<Record<string, unknown>>

const serviceLevel = { percentage: 0.8, durationMs: 20_000 }

const MEDIA_DEFAULTS: Readonly<Record<string, Settings>> = {
  call: { alertingTimeoutSeconds: 8, serviceLevel },
  callback: { alertingTimeoutSeconds: 30, serviceLevel },
  chat: { alertingTimeoutSeconds: 30, serviceLevel },
  email: {
    alertingTimeoutSeconds: 300,
    serviceLevel: { percentage: 0.8, durationMs: 86_400_000 },
  },
  message: { alertingTimeoutSeconds: 30, serviceLevel },
}

/** What a queue has where nothing else was said. */
export const DEFAULT_SETTINGS: Settings = {
  mediaSettings: MEDIA_DEFAULTS,
  routingRules: [],
  acwSettings: { wrapupPrompt: 'MANDATORY_TIMEOUT', timeoutMs: 300_000 },
  skillEvaluationMethod: 'BEST',
  scoringMethod: 'TimestampAndPriority',
  lastAgentRoutingMode: 'Disabled',
  autoAnswerOnly: true,
  enableTranscription: false,
  enableAudioMonitoring: false,
  enableManualAssignment: false,
  suppressInQueueCallRecording: true,
  defaultScripts: {},
  outboundMessagingAddresses: {},
}

/** Said by the platform, never by the client: dropped without a word, as the platform does. */
const READ_ONLY = new Set([
  'id',
  'name',
  'division',
  'dateCreated',
  'dateModified',
  'createdBy',
  'modifiedBy',
  'memberCount',
  'userMemberCount',
  'joinedMemberCount',
  'sourceQueueId',
  'selfUri',
])

const WORDS: Readonly<Record<string, readonly string[]>> = {
  skillEvaluationMethod: ['NONE', 'BEST', 'ALL'],
  scoringMethod: ['TimestampAndPriority', 'PriorityOnly'],
  lastAgentRoutingMode: ['Disabled', 'QueueMembersOnly', 'AnyAgent'],
}

const WRAPUP_PROMPTS = [
  'MANDATORY',
  'OPTIONAL',
  'MANDATORY_TIMEOUT',
  'MANDATORY_FORCED_TIMEOUT',
  'AGENT_REQUESTED',
]

const SWITCHES = [
  'autoAnswerOnly',
  'enableTranscription',
  'enableAudioMonitoring',
  'enableManualAssignment',
  'suppressInQueueCallRecording',
]

const DAY_MS = 86_400_000

function shown(value: unknown): string {
  return JSON.stringify(value) ?? ''
}

function optionalObject(owner: Settings, field: string): Settings | undefined {
  const value = owner[field]
  if (value === undefined || value === null) return undefined
  if (typeof value === 'object' && !Array.isArray(value)) return value as Settings
  throw invalidValue(field, shown(value), 'an object')
}

function checkNumber(owner: Settings, field: string, low: number, high: number): void {
  const value = owner[field]
  if (value === undefined || value === null) return
  if (typeof value === 'number' && value >= low && value <= high) return
  throw invalidValue(field, shown(value), `${low} to ${high}`)
}

function checkWord(owner: Settings, field: string, choices: readonly string[]): void {
  const value = owner[field]
  if (value === undefined || value === null || choices.includes(value as string)) return
  throw invalidValue(field, shown(value), choices.join(', '))
}

function checkMedia(settings: Settings): void {
  const media = optionalObject(settings, 'mediaSettings') ?? {}
  for (const name of Object.keys(media)) {
    const one = optionalObject(media, name) ?? {}
    checkNumber(one, 'alertingTimeoutSeconds', 7, 86_400)
    const level = optionalObject(one, 'serviceLevel') ?? {}
    checkNumber(level, 'percentage', 0, 1)
    checkNumber(level, 'durationMs', 1000, 7 * DAY_MS)
  }
}

/** The bounds are those that the vendor's Terraform provider checks. */
function check(settings: Settings): void {
  for (const [field, choices] of Object.entries(WORDS)) checkWord(settings, field, choices)
  for (const field of SWITCHES) {
    const value = settings[field]
    if (value !== undefined && value !== null && typeof value !== 'boolean') {
      throw invalidValue(field, shown(value), 'true or false')
    }
  }
  for (const field of ['routingRules', 'memberGroups']) {
    const value = settings[field]
    if (value !== undefined && value !== null && !Array.isArray(value)) {
      throw badRequest(`${field} has to be a list.`)
    }
  }
  const wrapup = optionalObject(settings, 'acwSettings') ?? {}
  checkWord(wrapup, 'wrapupPrompt', WRAPUP_PROMPTS)
  checkNumber(wrapup, 'timeoutMs', 0, DAY_MS)
  checkMedia(settings)
}

/** Every medium has settings; what is not said of one comes from the base. */
function mergedMedia(base: Settings, given: Settings): Settings {
  const merged: Record<string, Settings> = {}
  for (const name of new Set([...Object.keys(base), ...Object.keys(given)])) {
    merged[name] = {
      ...(base[name] as Settings | undefined),
      ...(given[name] as Settings | undefined),
    }
  }
  return merged
}

/**
 * The settings of a queue after a write of the whole: what the body leaves out is that of the base,
 * not what the queue had before. Properties unknown to the simulator are kept as they came.
 */
export function readSettings(body: Settings, base: Settings = DEFAULT_SETTINGS): Settings {
  const given = Object.fromEntries(
    Object.entries(body).filter(([field, value]) => !READ_ONLY.has(field) && value !== null),
  )
  check(given)
  const baseMedia = optionalObject(base, 'mediaSettings') ?? {}
  const givenMedia = optionalObject(given, 'mediaSettings') ?? {}
  return { ...base, ...given, mediaSettings: mergedMedia(baseMedia, givenMedia) }
}

/** At most 100 letters: a bound of the simulator's own. */
export function readQueueName(body: Settings): string {
  const name = text(body, 'name')
  if (name.trim() === name && name.length <= 100) return name
  throw invalidValue('name', name, '1 to 100 letters without spaces at the ends')
}
