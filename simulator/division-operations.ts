import { divisionEntity } from './division-json.ts'
import { type Call, json, type Operation, parameter } from './operation.ts'
import { cut, cutByCursor, listing, readPage } from './paging.ts'
import { notFound } from './platform-error.ts'
import { listParameter, textParameter } from './query.ts'
import type { DivisionRecord } from './records.ts'

export const MAX_DIVISIONS_PAGE = 100
export const MAX_DIVISION_QUERY_PAGE = 200
const DIVISIONS = '/api/v2/authorization/divisions'

function selectedDivisions(call: Call): DivisionRecord[] {
  const ids = listParameter(call.query, 'id')
  const name = textParameter(call.query, 'name')?.replaceAll('*', '').toLowerCase()
  return [...call.world.divisions.values()].filter(
    (division) =>
      (ids.length === 0 || ids.includes(division.id)) &&
      (name === undefined || division.name.toLowerCase().includes(name)),
  )
}

function divisionText(division: DivisionRecord): string {
  return JSON.stringify(divisionEntity(division))
}

const listDivisions: Operation = {
  method: 'GET',
  path: DIVISIONS,
  query: ['pageSize', 'pageNumber', 'sortBy', 'expand', 'objectCount', 'id', 'name'],
  handle(call) {
    const { path, query } = call
    const page = readPage(query, { max: MAX_DIVISIONS_PAGE })
    const divisions = selectedDivisions(call)
    const entities = cut(divisions, page).map(divisionText)
    return json(listing({ path, query, page, total: divisions.length, entities }))
  },
}

const readHomeDivision: Operation = {
  method: 'GET',
  path: `${DIVISIONS}/home`,
  handle: (call) => json(divisionText(call.world.homeDivision())),
}

const queryDivisions: Operation = {
  method: 'GET',
  path: `${DIVISIONS}/query`,
  query: ['after', 'pageSize', 'id', 'name'],
  handle(call) {
    const slice = cutByCursor(selectedDivisions(call), call.query, {
      parameter: 'after',
      max: MAX_DIVISION_QUERY_PAGE,
    })
    const self = `${call.path}?pageSize=${slice.size}`
    const envelope = {
      ...(slice.next !== undefined && { nextUri: `${self}&after=${slice.next}` }),
      selfUri: self,
    }
    const entities = slice.items.map(divisionText)
    return json(`{"entities":[${entities.join(',')}],${JSON.stringify(envelope).slice(1)}`)
  },
}

const readDivision: Operation = {
  method: 'GET',
  path: `${DIVISIONS}/{divisionId}`,
  query: ['objectCount'],
  handle(call) {
    const id = parameter(call, 'divisionId')
    const division = call.world.divisions.get(id)
    if (division === undefined) throw notFound('division', id)
    return json(divisionText(division))
  },
}

export const divisionOperations: readonly Operation[] = [
  listDivisions,
  readHomeDivision,
  queryDivisions,
  readDivision,
]
