import { badRequest, invalidValue } from './platform-error.ts'

type Body = Readonly<Record<string, unknown>>

export function object(body: unknown): Body {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw badRequest('The request needs a JSON object as its body.')
  }
  return body as Body
}

export function text(body: Body, field: string): string {
  const value = body[field]
  if (typeof value !== 'string' || value === '') {
    throw invalidValue(field, JSON.stringify(value) ?? '', 'a text')
  }
  return value
}

export function optionalText(body: Body, field: string): string | undefined {
  const value = body[field]
  return value === undefined || value === null || value === '' ? undefined : text(body, field)
}

export function number(body: Body, field: string): number {
  const value = body[field]
  if (typeof value !== 'number') throw invalidValue(field, JSON.stringify(value) ?? '', 'a number')
  return value
}

/** One word out of a closed list. */
export function word<T extends string>(body: Body, field: string, choices: readonly T[]): T {
  const value = text(body, field)
  const choice = choices.find((candidate) => candidate === value)
  if (choice === undefined) throw invalidValue(field, value, choices.join(', '))
  return choice
}

export function list(body: unknown, name: string): readonly unknown[] {
  if (!Array.isArray(body)) throw badRequest(`${name} has to be a list.`)
  return body
}

export function texts(body: Body, field: string): string[] {
  return list(body[field], field).map((value) => {
    if (typeof value !== 'string') throw invalidValue(field, JSON.stringify(value), 'a text')
    return value
  })
}
