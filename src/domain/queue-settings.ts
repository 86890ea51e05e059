import type { Shape } from './json-shape.ts'

export function text(maxLength: number, empty = true) {
  return { kind: 'text', maxLength, empty } as const satisfies Shape
}

// Their types keep every name, for a test to hold them to the SDK's; who checks by them holds that
// they are shapes.
export function list<const Of>(maxItems: number, of: Of) {
  return { kind: 'list', maxItems, of } as const
}

export function object<const Fields>(fields: Fields, ...required: string[]) {
  return { kind: 'object', fields, required } as const
}

function nullable<const Fields>(fields: Fields, ...required: string[]) {
  return { kind: 'object', fields, required, nullable: true } as const
}

function whole(min: number, max: number) {
  return { kind: 'number', min, max, whole: true } as const satisfies Shape
}

function fraction(min: number, max: number) {
  return { kind: 'number', min, max, whole: false } as const satisfies Shape
}

function choice(...values: readonly string[]) {
  return { kind: 'choice', values } as const satisfies Shape
}

const flag = { kind: 'flag' } as const satisfies Shape
/** In the platform's own form, which is long; the platform checks it. */
const opaque = { kind: 'opaque' } as const satisfies Shape
/** A flow, a prompt, a script or an address. */
const reference = nullable({ id: text(36, false) }, 'id')

const MAX_RULES = 6
const MAX_GROUPS = 100
const MAX_ADDRESSES = 100
const DAY_SECONDS = 86_400

const MEDIA = {
  enableAutoAnswer: flag,
  alertingTimeoutSeconds: whole(7, DAY_SECONDS),
  autoAnswerAlertToneSeconds: whole(0, 600),
  manualAnswerAlertToneSeconds: whole(0, 600),
  serviceLevel: object({
    percentage: fraction(0, 1),
    durationMs: whole(1_000, 86_400_000),
  }),
} as const

const mediaSettings = object({
  call: object(MEDIA),
  callback: object({
    ...MEDIA,
    mode: choice('AgentFirst', 'CustomerFirst'),
    enableAutoDialAndEnd: flag,
    autoDialDelaySeconds: whole(0, 1_200),
    autoEndDelaySeconds: whole(0, 1_200),
    pacingModifier: fraction(0, 100),
    maxRetryCount: whole(0, 100),
    retryDelaySeconds: whole(0, DAY_SECONDS),
    liveVoiceReactionType: text(64, false),
    liveVoiceFlow: reference,
    answeringMachineReactionType: text(64, false),
    answeringMachineFlow: reference,
    edgeGroup: reference,
    site: reference,
  }),
  chat: object(MEDIA),
  email: object({ ...MEDIA, allOutboundEmailAddresses: list(MAX_ADDRESSES, opaque) }),
  message: object({
    ...MEDIA,
    enableInactivityTimeout: flag,
    inactivityTimeoutSettings: opaque,
    /** By kind of message, such as `webmessaging`. */
    subTypeSettings: opaque,
  }),
})

const memberGroups = list(
  MAX_GROUPS,
  object({ id: text(36, false), type: choice('GROUP', 'TEAM', 'SKILLGROUP') }, 'id'),
)

const addressSettings = object({ useAgentAddressOutbound: flag })

/**
 * The part of the SDK's `QueueRequest` that a manifest may speak of; a test holds the names to the
 * SDK's. What is long is passed on as it is.
 */
export const QUEUE_SETTINGS = {
  description: { kind: 'text', maxLength: 512, empty: true, lines: true },
  mediaSettings,
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
  routingRules: list(
    MAX_RULES,
    object({
      operator: choice('MEETS_THRESHOLD', 'ANY'),
      threshold: whole(0, 1_000_000),
      waitSeconds: fraction(0, 259_200),
    }),
  ),
  bullseye: nullable({ rings: list(MAX_RULES, opaque) }),
  conditionalGroupRouting: nullable({ rules: list(MAX_RULES, opaque) }),
  conditionalGroupActivation: nullable({ pilotRule: opaque, rules: list(MAX_RULES, opaque) }),
  memberGroups,
  agentOwnedRouting: nullable({
    enableAgentOwnedCallbacks: flag,
    maxOwnedCallbackHours: whole(0, 10_000),
    maxOwnedCallbackDelayHours: whole(0, 10_000),
  }),
  directRouting: nullable({
    callMediaSettings: addressSettings,
    emailMediaSettings: addressSettings,
    messageMediaSettings: addressSettings,
    backupQueueId: text(36),
    waitForAgent: flag,
    agentWaitSeconds: whole(0, DAY_SECONDS),
  }),
  autoAnswerOnly: flag,
  enableTranscription: flag,
  enableAudioMonitoring: flag,
  enableManualAssignment: flag,
  suppressInQueueCallRecording: flag,
  defaultMediaLanguage: text(16),
  cannedResponseLibraries: nullable({
    libraryIds: list(MAX_GROUPS, text(36, false)),
    mode: text(32, false),
  }),
  callingPartyName: text(256),
  callingPartyNumber: text(64),
  queueFlow: reference,
  emailInQueueFlow: reference,
  messageInQueueFlow: reference,
  whisperPrompt: reference,
  onHoldPrompt: reference,
  /** By kind of communication, as the SDK's description names them. */
  defaultScripts: object({
    CALL: reference,
    CALLBACK: reference,
    CHAT: reference,
    COBROWSE: reference,
    EMAIL: reference,
    MESSAGE: reference,
    SOCIAL_EXPRESSION: reference,
    VIDEO: reference,
    SCREENSHARE: reference,
  }),
  outboundMessagingAddresses: nullable({
    smsAddress: reference,
    openMessagingRecipient: reference,
    whatsAppRecipient: reference,
  }),
  outboundEmailAddress: nullable({ domain: reference, route: reference }),
} as const
