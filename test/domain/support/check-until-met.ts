import * as fc from 'fast-check'

const MAX_ROUNDS = 20

/**
 * Checks a property in rounds of so many runs, until it has met enough of what it is about: how much
 * one round meets is left to chance. Gives up after twenty; what is missing then is for the caller to
 * tell.
 */
export async function checkUntilMet<Input>(
  property: fc.IRawProperty<Input>,
  numRuns: number,
  isEnough: () => boolean,
): Promise<void> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    await fc.assert(property, { numRuns })
    if (isEnough()) return
  }
}
