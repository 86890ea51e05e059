/** Everything that a batch's run records or writes. */
export const RUN_ACTS = [
  'planned',
  'write',
  'written',
  'confirmed',
  'settled',
  'undo-planned',
  'undo-write',
  'undo-written',
  'undone',
  'undo-settled',
  'ended',
] as const
export type RunAct = (typeof RUN_ACTS)[number]

/** A moment right before or right after one of them: where a process may die and nothing is lost. */
export type RunStep = `before-${RunAct}` | `after-${RunAct}`

/**
 * Told of every such moment and waited for. `write` and `undo-write` are what goes to the platform,
 * `settled` and `undo-settled` items that end without a write, all others records of the same name.
 */
export type OnRunStep = (step: RunStep) => void | Promise<void>
