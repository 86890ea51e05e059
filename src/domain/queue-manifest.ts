import { FaultList } from './fault-list.ts'
import { checkShape } from './json-shape.ts'
import type { JsonObject, ObjectShape, Shape } from './json-shape.ts'

/** A queue as a manifest wants it. What it does not name is left alone. */
export type WantedQueue = {
  readonly name: string
  /** By id or exact name. */
  readonly division?: string | undefined
  /** Users by id or email; the queue has these and no others. Groups of members are left alone. */
  readonly members?: readonly string[] | undefined
  /** Every other field, in the platform's own form. */
  readonly settings: JsonObject
}

const MAX_QUEUES = 1_000
const MAX_MEMBERS = 5_000
const MAX_RULES = 6

const flag: Shape = { kind: 'flag' }

function text(maxLength: number, empty = true): Shape {
  return { kind: 'text', maxLength, empty }
}

function whole(min: number, max: number): Shape {
  return { kind: 'number', min, max, whole: true }
}

function choice(...values: readonly string[]): Shape {
  return { kind: 'choice', values }
}

function object(fields: Readonly<Record<string, Shape>>, ...required: string[]): ObjectShape {
  return { kind: 'object', fields, required }
}

const reference = object({ id: text(36, false) }, 'id')

const MEDIA = {
  enableAutoAnswer: flag,
  alertingTimeoutSeconds: whole(7, 86_400),
  autoAnswerAlertToneSeconds: whole(0, 600),
  manualAnswerAlertToneSeconds: whole(0, 600),
  serviceLevel: object({
    percentage: { kind: 'number', min: 0, max: 1, whole: false },
    durationMs: whole(1_000, 86_400_000),
  }),
} as const satisfies Record<string, Shape>

/** The part of the SDK's `QueueRequest` that a manifest may speak of. */
const SETTINGS: Readonly<Record<string, Shape>> = {
  description: { kind: 'text', maxLength: 512, empty: true, lines: true },
  mediaSettings: object({
    call: object(MEDIA),
    callback: object({
      ...MEDIA,
      mode: choice('AgentFirst', 'CustomerFirst'),
      enableAutoDialAndEnd: flag,
      autoDialDelaySeconds: whole(0, 1_200),
      autoEndDelaySeconds: whole(0, 1_200),
      maxRetryCount: whole(0, 100),
      retryDelaySeconds: whole(0, 86_400),
    }),
    chat: object(MEDIA),
    email: object(MEDIA),
    message: object({ ...MEDIA, enableInactivityTimeout: flag }),
  }),
  acwSettings: object({
    wrapupPrompt: choice(
      'MANDATORY',
      'OPTIONAL',
      'MANDATORY_TIMEOUT',
      'MANDATORY_FORCED_TIMEOUT',
      'AGENT_REQUESTED',
    ),
    timeoutMs: whole(0, 86_400_000),
  }),
  skillEvaluationMethod: choice('NONE', 'BEST', 'ALL'),
  scoringMethod: choice('TimestampAndPriority', 'PriorityOnly'),
  lastAgentRoutingMode: choice('Disabled', 'QueueMembersOnly', 'AnyAgent'),
  routingRules: {
    kind: 'list',
    maxItems: MAX_RULES,
    of: object({
      operator: choice('MEETS_THRESHOLD', 'ANY'),
      threshold: whole(0, 1_000_000),
      waitSeconds: { kind: 'number', min: 0, max: 259_200, whole: false },
    }),
  },
  agentOwnedRouting: object({
    enableAgentOwnedCallbacks: flag,
    maxOwnedCallbackHours: whole(0, 10_000),
    maxOwnedCallbackDelayHours: whole(0, 10_000),
  }),
  autoAnswerOnly: flag,
  enableTranscription: flag,
  enableAudioMonitoring: flag,
  enableManualAssignment: flag,
  suppressInQueueCallRecording: flag,
  callingPartyName: text(256),
  callingPartyNumber: text(64),
  queueFlow: reference,
  emailInQueueFlow: reference,
  messageInQueueFlow: reference,
  whisperPrompt: reference,
  onHoldPrompt: reference,
}

const MANIFEST = object(
  {
    queues: {
      kind: 'list',
      maxItems: MAX_QUEUES,
      of: object(
        {
          name: text(256, false),
          division: text(256, false),
          members: { kind: 'list', of: text(254, false), maxItems: MAX_MEMBERS },
          ...SETTINGS,
        },
        'name',
      ),
    },
  },
  'queues',
)

type ManifestQueue = JsonObject & Pick<WantedQueue, 'name' | 'division' | 'members'>

/**
 * Reads `{"queues": [...]}`. Throws `invalid` with every fault, by path, also for a name that stands
 * there twice: to the platform names that differ in case are one name.
 */
export function readQueueManifest(value: unknown): readonly WantedQueue[] {
  const faults = new FaultList()
  checkShape(value, MANIFEST, '', faults)
  faults.throwIfAny()
  const { queues } = value as { readonly queues: readonly ManifestQueue[] }
  const places = new Map<string, number>()
  for (const [at, { name }] of queues.entries()) {
    const before = places.get(name.toLowerCase())
    if (before === undefined) places.set(name.toLowerCase(), at)
    else faults.add(`queues/${at}/name`, `is the name of queues/${before} as well`)
  }
  faults.throwIfAny()
  return queues.map(({ name, division, members, ...settings }) => {
    return { name, division, members, settings }
  })
}
