/** What a terminal acts on, and what turns the reading direction: never printed as it is. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Surrogate}]/gu
const ESCAPES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** A text that others wrote, with what a terminal would act on as visible escapes: `\u001b`. */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, (sign) => ESCAPES[sign] ?? escapeOf(sign))
}

/** Text of several lines: line ends stay. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}

/** JSON as text, without a sign that a terminal would act on; equal to the value when parsed. */
export function printableJson(value: unknown, indent?: number): string {
  return printableLines(JSON.stringify(value, undefined, indent))
}

function escapeOf(sign: string): string {
  return `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`
}
