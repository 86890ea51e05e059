import { invalidValue } from './platform-error.ts'

/** Query parameters as the server parsed them: repeated ones are arrays. */
export type Query = Readonly<Record<string, string | readonly string[] | undefined>>

/** Lists come repeated (`id=a&id=b`) or, as the vendor's JavaScript SDK sends them, comma-joined. */
export function listParameter(query: Query, name: string): string[] {
  const value = query[name]
  if (value === undefined) return []
  return (typeof value === 'string' ? [value] : value).flatMap((part) =>
    part.split(',').filter((item) => item !== ''),
  )
}

export function textParameter(query: Query, name: string): string | undefined {
  const value = query[name]
  return typeof value === 'string' || value === undefined ? value : value[0]
}

export function booleanParameter(query: Query, name: string, fallback: boolean): boolean {
  const value = textParameter(query, name)
  if (value === undefined) return fallback
  if (value !== 'true' && value !== 'false') throw invalidValue(name, value, 'true or false')
  return value === 'true'
}

export function choiceParameter<T extends string>(
  query: Query,
  name: string,
  choices: readonly T[],
  fallback: T,
): T {
  const value = textParameter(query, name)
  if (value === undefined) return fallback
  const choice = choices.find((candidate) => candidate === value)
  if (choice === undefined) throw invalidValue(name, value, choices.join(', '))
  return choice
}

export function integerParameter(
  query: Query,
  name: string,
  bounds: { fallback: number; max: number },
): number {
  const value = textParameter(query, name)
  if (value === undefined) return bounds.fallback
  const number = /^\d{1,9}$/.test(value) ? Number(value) : 0
  if (number < 1 || number > bounds.max) throw invalidValue(name, value, `1 to ${bounds.max}`)
  return number
}
