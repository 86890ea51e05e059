/** Whether a value is a text that is not empty and within a length, counted in UTF-16 units. */
export function isText(value: unknown, maxLength: number): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= maxLength
}
