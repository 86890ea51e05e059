import { objectIn } from '../genesys/answer-shape.ts'
import type { JsonObject } from '../domain/json-shape.ts'
import { Failure } from '../domain/failure.ts'

/**
 * Reads an answer of the service, or one item of a listing. Nothing is believed to be there because
 * a description says so: it throws `upstream-broken` that names the place.
 */
export type Reader<Value> = (answer: unknown, where: string) => Value

type Kind = 'string' | 'number' | 'boolean' | 'list' | 'object'
type Shape = Readonly<Record<string, Kind | `${Kind}?`>>

type Of<Name> = Name extends `${infer Known}?`
  ? Of<Known> | undefined
  : Name extends 'string'
    ? string
    : Name extends 'number'
      ? number
      : Name extends 'boolean'
        ? boolean
        : Name extends 'list'
          ? readonly unknown[]
          : JsonObject

/** Members that were looked at; the others are there too, for those who print all. */
export type Shaped<S extends Shape> = { readonly [Name in keyof S]: Of<S[Name]> }

/** A reader that holds an answer to the members that a command relies on; `?`: may be left out. */
export function reader<const S extends Shape>(shape: S): Reader<Shaped<S>> {
  const members = Object.entries(shape)
  return (answer, where) => {
    const object = objectIn(answer, where)
    for (const [name, kind] of members) {
      const value = object[name]
      if (value === undefined && kind.endsWith('?')) continue
      if (kindOf(value) !== kind.replace('?', '')) throw missing(where, name)
    }
    return object as Shaped<S>
  }
}

/** A list of which each item is read. */
export function readList<Value>(
  list: readonly unknown[],
  where: string,
  readItem: Reader<Value>,
): readonly Value[] {
  return list.map((item) => readItem(item, where))
}

/** Throws `upstream-broken` for a word that stands in no list: what it means is not known here. */
export function requireWord(word: string, words: Iterable<string>, where: string): void {
  if ([...words].includes(word)) return
  const message = `${where} says "${word}", which is not known: are service and permctl of one version?`
  throw new Failure('upstream-broken', message)
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'list'
  return value === null ? 'null' : typeof value
}

function missing(where: string, name: string): Failure {
  const message = `${where} came without a usable "${name}": are service and permctl of one version?`
  return new Failure('upstream-broken', message)
}
