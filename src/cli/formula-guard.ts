/** What a spreadsheet takes for the beginning of a formula. */
const FORMULA = /^\s*[=+\-@\t\r]/
const GUARDED = /^'+\s*[=+\-@\t\r]/

/**
 * A cell that a spreadsheet does not run: an apostrophe stands before what would be a formula. What
 * looks guarded already gets one more, so that {@link unguardFormula} gives back every text.
 */
export function guardFormula(text: string): string {
  return FORMULA.test(text) || GUARDED.test(text) ? `'${text}` : text
}

export function unguardFormula(cell: string): string {
  return GUARDED.test(cell) ? cell.slice(1) : cell
}
