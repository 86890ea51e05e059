/**
 * Work done on this thread, in steps of some nanoseconds each: a grant looked at is one, and
 * whatever takes longer counts for more. By it long work is cut into slices, the same for the same
 * work however fast the machine is.
 */

/** A condition weighed, against a grant that is looked at. */
export const CONDITION_STEPS = 20

/** Wraps around; in an array, for a number of its own would be boxed. */
const taken = new Int32Array(1)

export function countSteps(steps: number): void {
  taken[0] = (taken[0] as number) + steps
}

/** Where counting stands, for {@link stepsSince}. */
export function markSteps(): number {
  return taken[0] as number
}

export function stepsSince(mark: number): number {
  return ((taken[0] as number) - mark) | 0
}
