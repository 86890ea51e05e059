import type { AttributeScopes } from '../../domain/condition.ts'
import type { Fault } from '../../domain/failure.ts'
import { Failure } from '../../domain/failure.ts'
import { isObject } from '../../domain/json-shape.ts'
import type { JsonObject } from '../../domain/json-shape.ts'

/** Longest type, id or name of an entity, in UTF-16 units. */
export const MAX_TEXT_LENGTH = 1_024

/** A question of the standard's information model, checked: who, what, on which resource. */
export type Question = {
  readonly subjectType: string
  readonly subjectId: string
  readonly action: string
  readonly resourceType: string
  /** The division asked about: `resource.properties.divisionId`, else the resource's id. */
  readonly divisionId: string
  /** Where conditions find their variables; undefined when the request carries no attribute. */
  readonly scopes: AttributeScopes | undefined
  /** False when `context.options.explain` is: the answer then names no paths. */
  readonly explain: boolean
}

/** The entities of a question as they were sent, after defaults. */
export type Entities = {
  readonly subject: unknown
  readonly action: unknown
  readonly resource: unknown
  readonly context: unknown
}

const NO_ENTITY: JsonObject = {}

/** A member that makes a question unanswerable; told from a question by its `message`. */
export function isFault(read: object): read is Fault {
  return 'message' in read
}

/**
 * Checks the entities of one question. Gives the first fault instead of throwing it: in a request of
 * ten thousand questions each one's faults are its own.
 *
 * @param defaults where an entity takes a type, id or name from that it lacks itself
 */
export function readQuestion(entities: Entities, defaults?: Partial<Entities>): Question | Fault {
  const { subject, action, resource, context } = entities
  if (!isObject(subject)) return wrongObject('subject', subject)
  if (!isObject(action)) return wrongObject('action', action)
  if (!isObject(resource)) return wrongObject('resource', resource)
  const subjectType = textOf(subject, 'type', defaults?.subject)
  if (!isText(subjectType)) return wrongText('subject/type', subjectType)
  const subjectId = textOf(subject, 'id', defaults?.subject)
  if (!isText(subjectId)) return wrongText('subject/id', subjectId)
  const name = textOf(action, 'name', defaults?.action)
  if (!isText(name)) return wrongText('action/name', name)
  const resourceType = textOf(resource, 'type', defaults?.resource)
  if (!isText(resourceType)) return wrongText('resource/type', resourceType)
  const resourceId = textOf(resource, 'id', defaults?.resource)
  if (!isText(resourceId)) return wrongText('resource/id', resourceId)
  const attributes = readAttributes(subject, action, resource, context)
  if (isFault(attributes)) return attributes
  return {
    subjectType,
    subjectId,
    action: name,
    resourceType,
    divisionId: attributes.divisionId ?? resourceId,
    scopes: attributes.scopes,
    explain: attributes.explain,
  }
}

/** What a question carries besides the names of its entities. */
export type Attributes = {
  /** `resource.properties.divisionId`. */
  readonly divisionId: string | undefined
  readonly scopes: AttributeScopes | undefined
  readonly explain: boolean
}

const NO_ATTRIBUTES: Attributes = { divisionId: undefined, scopes: undefined, explain: true }

/** Checks properties and context; the order of the scopes is the one in which variables resolve. */
export function readAttributes(
  subject: JsonObject,
  action: JsonObject,
  resource: JsonObject,
  context: unknown,
): Attributes | Fault {
  const ofResource = resource['properties']
  const ofAction = action['properties']
  const ofSubject = subject['properties']
  if (
    ofResource === undefined &&
    ofAction === undefined &&
    ofSubject === undefined &&
    context === undefined
  ) {
    return NO_ATTRIBUTES
  }
  const scopes: JsonObject[] = []
  if (isObject(ofResource)) scopes.push(ofResource)
  else if (ofResource !== undefined) return wrongObject('resource/properties', ofResource)
  if (isObject(ofAction)) scopes.push(ofAction)
  else if (ofAction !== undefined) return wrongObject('action/properties', ofAction)
  if (isObject(ofSubject)) scopes.push(ofSubject)
  else if (ofSubject !== undefined) return wrongObject('subject/properties', ofSubject)
  if (isObject(context)) scopes.push(context)
  else if (context !== undefined) return wrongObject('context', context)
  const divisionId = ofResource?.['divisionId']
  if (divisionId !== undefined && typeof divisionId !== 'string') {
    return { field: 'resource/properties/divisionId', message: 'must be a string' }
  }
  return { divisionId, scopes, explain: isExplained(context) }
}

function isExplained(context: JsonObject | undefined): boolean {
  const options = context?.['options']
  return !isObject(options) || options['explain'] !== false
}

function textOf(entity: JsonObject, name: string, fallback: unknown): unknown {
  const text = entity[name]
  return text === undefined && isObject(fallback) ? fallback[name] : text
}

/** An entity, or the parts of one that a request has to carry. Throws `invalid`. */
export function requireEntity(
  body: JsonObject,
  name: string,
  texts: readonly string[],
): JsonObject {
  const entity = body[name]
  if (!isObject(entity)) throw failureOf(wrongObject(name, entity))
  for (const text of texts) {
    if (!isText(entity[text])) throw failureOf(wrongText(`${name}/${text}`, entity[text]))
  }
  return entity
}

/** An object that may be absent. Throws `invalid` for anything else. */
export function optionalObject(body: JsonObject, name: string, at = ''): JsonObject | undefined {
  const value = body[name]
  if (value === undefined || isObject(value)) return value
  throw failureOf(wrongObject(at + name, value))
}

/** The body of a request, which has to be an object. Throws `invalid`. */
export function requireBody(body: unknown): JsonObject {
  if (isObject(body)) return body
  throw new Failure('invalid', 'the body must be a JSON object')
}

/**
 * Checks the defaults of a request with many questions: what is there must be of the right type, but
 * need not be complete. Throws `invalid`.
 */
export function checkDefaults(body: JsonObject): void {
  for (const [name, texts] of PARTS) {
    const entity = optionalObject(body, name)
    for (const text of texts) {
      const value = entity?.[text]
      if (value !== undefined && !isText(value))
        throw failureOf(wrongText(`${name}/${text}`, value))
    }
  }
  const attributes = readAttributes(
    optionalObject(body, 'subject') ?? NO_ENTITY,
    optionalObject(body, 'action') ?? NO_ENTITY,
    optionalObject(body, 'resource') ?? NO_ENTITY,
    body['context'],
  )
  if (isFault(attributes)) throw failureOf(attributes)
}

const PARTS: readonly (readonly [string, readonly string[]])[] = [
  ['subject', ['type', 'id']],
  ['action', ['name']],
  ['resource', ['type', 'id']],
]

/** A fault of the whole request. */
export function failureOf({ field, message }: Fault): Failure {
  return new Failure('invalid', `${field} ${message}`, { field })
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= MAX_TEXT_LENGTH
}

function wrongObject(field: string, value: unknown): Fault {
  return { field, message: value === undefined ? 'is required' : 'must be an object' }
}

function wrongText(field: string, value: unknown): Fault {
  if (value === undefined) return { field, message: 'is required' }
  if (typeof value !== 'string') return { field, message: 'must be a string' }
  const message =
    value === '' ? 'must not be empty' : `must have at most ${MAX_TEXT_LENGTH} characters`
  return { field, message }
}
