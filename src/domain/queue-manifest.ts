import { FaultList } from './fault-list.ts'
import { checkShape } from './json-shape.ts'
import type { JsonObject } from './json-shape.ts'
import { list, object, QUEUE_SETTINGS, text } from './queue-settings.ts'

/** A queue as a manifest wants it. What it does not name is left alone. */
export type WantedQueue = {
  readonly name: string
  /** By id or exact name. */
  readonly division?: string | undefined
  /** Users by id or email; the queue has these and no others. Groups of members are left alone. */
  readonly members?: readonly string[] | undefined
  /** Every other field, in the platform's own form; null takes away what can be taken away. */
  readonly settings: JsonObject
}

const MAX_QUEUES = 1_000
const MAX_MEMBERS = 5_000

const MANIFEST = object(
  {
    queues: list(
      MAX_QUEUES,
      object(
        {
          name: text(256, false),
          division: text(256, false),
          members: list(MAX_MEMBERS, text(254, false)),
          ...QUEUE_SETTINGS,
        },
        'name',
      ),
    ),
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
