import stringWidth from 'string-width'

/** Places that a text takes in a line of a terminal. */
export function displayWidth(text: string): number {
  return stringWidth(text)
}

/** As much of a text as has room in so many places. */
export function cutToWidth(text: string, width: number): string {
  let used = 0
  let cut = ''
  for (const sign of text) {
    used += stringWidth(sign)
    if (used > width) return cut
    cut += sign
  }
  return cut
}
