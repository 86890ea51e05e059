/** A condition weighed, against a grant that is looked at. */
export const CONDITION_STEPS = 20
/** A path recorded, and each name that is recorded with it. */
export const RECORDED_STEPS = 30
export const RECORDED_NAME_STEPS = 20

/**
 * Work done with a matrix, in steps of some nanoseconds each: a grant looked at is one, and whatever
 * takes longer counts for more. By it long work is cut into slices, the same for the same work
 * however fast the machine is.
 */
export class StepCount {
  /** Wraps around; in an array, for a number of its own would be boxed. */
  readonly #taken = new Int32Array(1)

  count(steps: number): void {
    this.#taken[0] = (this.#taken[0] as number) + steps
  }

  /** Where counting stands, for {@link since}. */
  mark(): number {
    return this.#taken[0] as number
  }

  since(mark: number): number {
    return ((this.#taken[0] as number) - mark) | 0
  }
}
