import type { ArchitectureCollection } from './architecture-state.ts'
import { hasHostBits, readIpv4Network } from './ipv4-network.ts'
import { type Answer, type Call, json, type Operation } from './operation.ts'
import { cut, readPage } from './paging.ts'
import { conflict, PlatformError } from './platform-error.ts'
import { list, number, object, optionalText, text, texts, word } from './request-body.ts'
import type { World } from './world.ts'

export const ARCHITECTURE = '/api/v2/architecture'
const MAX_PAGE = 100
const MAX_ENTRIES = 100

interface Kind {
  readonly path: string
  readonly permission: string
  collection(world: World): ArchitectureCollection
  /** The content of a body; throws the platform's 400. */
  content(body: unknown): object
}

function invalid(fieldName: string, message: string): PlatformError {
  const details = [{ errorCode: 'invalid.value', fieldName }]
  return new PlatformError(400, 'invalid.value', message, { extra: { details } })
}

function entryContent(given: unknown, index: number): object {
  const entry = object(given)
  const field = `entries[${index}].ipAddress`
  const ipAddress = text(entry, 'ipAddress')
  const network = ipAddress.includes('/') ? readIpv4Network(ipAddress) : undefined
  if (network === undefined) throw invalid(field, `${ipAddress} is not an IPv4 network.`)
  if (hasHostBits(network)) throw invalid(field, `${ipAddress} has host bits set.`)
  const cidr = number(entry, 'cidr')
  if (cidr !== network.prefix) {
    throw invalid(`entries[${index}].cidr`, `${cidr} is not the prefix of ${ipAddress}.`)
  }
  const direction = word(entry, 'direction', ['INBOUND', 'OUTBOUND'])
  return { ipAddress, cidr, direction, scope: word(entry, 'scope', ['GLOBAL', 'RESOURCE']) }
}

function allowlistContent(given: unknown): object {
  const body = object(given)
  const entries = list(body['entries'], 'entries')
  if (entries.length < 1 || entries.length > MAX_ENTRIES) {
    throw invalid('entries', `An allowlist has 1 to ${MAX_ENTRIES} entries.`)
  }
  return {
    description: optionalText(body, 'description') ?? '',
    entries: entries.map(entryContent),
  }
}

function environmentContent(given: unknown): object {
  const body = object(given)
  const source = object(body['configSource'])
  const type = text(source, 'type')
  const sources = texts(source, 'sources')
  if (sources.length === 0) throw invalid('configSource.sources', 'At least one source is needed.')
  const accessControl = list(body['accessControl'] ?? [], 'accessControl').map((directive) => ({
    role: text(object(directive), 'role'),
    permission: text(object(directive), 'permission'),
  }))
  const description = optionalText(body, 'description') ?? ''
  return { description, configSource: { type, sources }, accessControl }
}

function listRecords(kind: Kind, { world, query }: Call): Answer {
  const page = readPage(query, { max: MAX_PAGE })
  const { listed } = kind.collection(world)
  const entities = cut(listed, page).map(({ content, ...record }) => ({ ...record, ...content }))
  const pageCount = Math.ceil(listed.length / page.size)
  return json(JSON.stringify({ entities, pageCount, pageSize: page.size }))
}

function createRecord(kind: Kind, { world, writes, body }: Call): Answer {
  const name = text(object(body), 'name')
  const content = kind.content(body)
  const record = kind.collection(world).reserve(name, content)
  if (record === undefined) throw conflict(`The name ${name} is taken.`)
  writes.submit((later) => kind.collection(later).show(record))
  const { id, createdDate } = record
  return json(JSON.stringify({ id, name, createdDate }), 201)
}

function offered({ architecture }: World): boolean {
  return architecture.offered
}

function operationsOf(kind: Kind): readonly Operation[] {
  return [
    {
      method: 'GET',
      path: kind.path,
      query: ['pageSize', 'pageNumber'],
      permissions: [`${kind.permission}:read`],
      offered,
      handle: (call) => listRecords(kind, call),
    },
    {
      method: 'POST',
      path: kind.path,
      permissions: [`${kind.permission}:write`],
      offered,
      handle: (call) => createRecord(kind, call),
    },
  ]
}

/** A part of the platform that the vendor's definition does not have. */
export const architectureOperations: readonly Operation[] = [
  ...operationsOf({
    path: `${ARCHITECTURE}/ipallowlists`,
    permission: 'architecture:ipallowlist',
    collection: ({ architecture }) => architecture.ipAllowlists,
    content: allowlistContent,
  }),
  ...operationsOf({
    path: `${ARCHITECTURE}/environments`,
    permission: 'architecture:environment',
    collection: ({ architecture }) => architecture.environments,
    content: environmentContent,
  }),
]
