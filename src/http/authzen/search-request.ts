import type { JsonObject } from '../../domain/json-shape.ts'
import type { Page } from '../../domain/listing.ts'
import type { Matrix } from '../../domain/matrix.ts'
import { findPermissionOf } from '../../domain/resource-types.ts'
import type { ResourceTypes } from '../../domain/resource-types.ts'
import { searchActionsOf } from '../../domain/search-actions-of.ts'
import { searchDivisions, searchSubjects } from '../../domain/search.ts'
import type { SearchStretch } from '../../domain/search.ts'
import { failureOf, isFault, readAttributes, requireEntity } from './entities.ts'
import type { Attributes, Question } from './entities.ts'
import { findSubjectOf, kindOf } from './resolve-question.ts'

/** A search whose request has been checked. */
export type Search = {
  /** All that has to stay the same from page to page. */
  readonly question: unknown
  /** Whom the search is about, where it is about one subject. */
  readonly subject?: Pick<Question, 'subjectType' | 'subjectId'>
  /** Looks through one matrix, a stretch at a time. */
  readonly in: (matrix: Matrix) => (stretch: SearchStretch) => Page<string>
  /** The entity that a hit stands for. */
  readonly entity: (hit: string) => Readonly<Record<string, string>>
}

const NOTHING: Page<string> = { items: [], next: undefined }

/** Subjects of a type. The subject's own id is not looked at (8.4). Throws `invalid`. */
export function readSubjectSearch(types: ResourceTypes, body: JsonObject): Search {
  const [subject, type] = readEntity(body, 'subject', 'type')
  const [action, name] = readEntity(body, 'action', 'name')
  const [resource, resourceType, resourceId] = readEntity(body, 'resource', 'type', 'id')
  const attributes = attributesOf(body, subject, action, resource)
  const { divisionId = resourceId, scopes } = attributes
  const kind = kindOf(type)
  return {
    question: ['subject', type, name, resourceType, resourceId, ...carried(body)],
    in: (matrix) => {
      const permission = findPermissionOf(matrix, types, resourceType, name)
      const division = matrix.findDivision(divisionId)
      return (stretch) => {
        if (kind === undefined) return NOTHING
        return searchSubjects(matrix, { kind, permission, division, scopes }, stretch)
      }
    },
    entity: (id) => ({ type, id }),
  }
}

/** Divisions, as resources of a type. The resource's own id is not looked at (8.5). */
export function readResourceSearch(types: ResourceTypes, body: JsonObject): Search {
  const [subject, subjectType, subjectId] = readEntity(body, 'subject', 'type', 'id')
  const [action, name] = readEntity(body, 'action', 'name')
  const [resource, type] = readEntity(body, 'resource', 'type')
  const { divisionId, scopes } = attributesOf(body, subject, action, resource)
  return {
    question: ['resource', subjectType, subjectId, name, type, ...carried(body)],
    subject: { subjectType, subjectId },
    in: (matrix) => {
      const question = {
        subject: findSubjectOf(matrix, subjectType, subjectId),
        permission: findPermissionOf(matrix, types, type, name),
        division: divisionId === undefined ? undefined : matrix.findDivision(divisionId),
        scopes,
      }
      return (stretch) => searchDivisions(matrix, question, stretch)
    },
    entity: (id) => ({ type, id }),
  }
}

/** Actions on a resource. An action in the request is not looked at (8.6). */
export function readActionSearch(types: ResourceTypes, body: JsonObject): Search {
  const [subject, subjectType, subjectId] = readEntity(body, 'subject', 'type', 'id')
  const [resource, resourceType, resourceId] = readEntity(body, 'resource', 'type', 'id')
  const { divisionId = resourceId, scopes } = attributesOf(body, subject, {}, resource)
  return {
    question: ['action', subjectType, subjectId, resourceType, resourceId, ...carried(body, false)],
    subject: { subjectType, subjectId },
    in: (matrix) => {
      const question = {
        subject: findSubjectOf(matrix, subjectType, subjectId),
        resourceType,
        division: matrix.findDivision(divisionId),
        scopes,
      }
      return (stretch) => searchActionsOf(matrix, types, question, stretch)
    },
    entity: (name) => ({ name }),
  }
}

/** An entity with the texts that it has to have. */
function readEntity(
  body: JsonObject,
  name: string,
  first: string,
  second?: string,
): readonly [JsonObject, string, string] {
  const texts = second === undefined ? [first] : [first, second]
  const entity = requireEntity(body, name, texts)
  const [one = '', two = ''] = texts.map((text) => entity[text] as string)
  return [entity, one, two]
}

function attributesOf(
  body: JsonObject,
  subject: JsonObject,
  action: JsonObject,
  resource: JsonObject,
): Attributes {
  const attributes = readAttributes(subject, action, resource, body['context'])
  if (isFault(attributes)) throw failureOf(attributes)
  return attributes
}

/** Properties and context, for pages are of one search only where these are the same too. */
function carried(body: JsonObject, withAction = true): readonly unknown[] {
  const names = withAction ? ['subject', 'action', 'resource'] : ['subject', 'resource']
  const properties = names.map((name) => (body[name] as JsonObject)['properties'] ?? null)
  return [...properties, body['context'] ?? null]
}
