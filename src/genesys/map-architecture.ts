import type { Environment, IpAllowlist } from '../domain/architecture-platform.ts'
import type { EnvironmentDraft } from '../domain/environment.ts'
import type { AllowlistDraft } from '../domain/ip-allowlist.ts'
import { formatNetwork, parseNetwork } from '../domain/ip-network.ts'
import { listIn, objectIn, optionalTextIn, textIn, textsIn } from './answer-shape.ts'
import type { JsonObject } from '../domain/json-shape.ts'

/** What both kinds are created with: the platform answers no more. */
export type Created = { readonly id: string; readonly createdDate: string }

export function mapCreated(answer: unknown): Created {
  const where = 'the answer to a creation'
  const created = objectIn(answer, where)
  const createdDate = optionalTextIn(created, 'createdDate', where)
  return { id: textIn(created, 'id', where), createdDate }
}

export function mapAllowlist(entity: unknown): IpAllowlist {
  const fields = objectIn(entity, 'an IP allowlist')
  const id = textIn(fields, 'id', 'an IP allowlist')
  const where = `the IP allowlist ${id}`
  return {
    id,
    name: textIn(fields, 'name', where),
    description: optionalTextIn(fields, 'description', where),
    createdDate: optionalTextIn(fields, 'createdDate', where),
    entries: listIn(fields, 'entries', where).map((item) => {
      const entry = objectIn(item, where)
      return {
        ipAddress: networkText(textIn(entry, 'ipAddress', where), entry['cidr']),
        direction: textIn(entry, 'direction', where),
        scope: textIn(entry, 'scope', where),
      }
    }),
  }
}

/** The normal form; the prefix may be in `cidr` alone. What is no network stays as it is. */
function networkText(ipAddress: string, cidr: unknown): string {
  const prefix = typeof cidr === 'number' ? cidr : 32
  const { network } = parseNetwork(ipAddress.includes('/') ? ipAddress : `${ipAddress}/${prefix}`)
  return network === undefined ? ipAddress : formatNetwork(network)
}

/** An allowlist as the platform wants it: each entry with its prefix as a number, too. */
export function allowlistBody({ name, description, entries }: AllowlistDraft): JsonObject {
  const withPrefix = entries.map((entry) => {
    const [, prefix] = entry.ipAddress.split('/')
    return { ...entry, cidr: Number(prefix) }
  })
  return { name, description, entries: withPrefix }
}

export function mapEnvironment(entity: unknown): Environment {
  const fields = objectIn(entity, 'an environment')
  const id = textIn(fields, 'id', 'an environment')
  const where = `the environment ${id}`
  const { description = null, configSource = null, accessControl = null } = fields
  return {
    id,
    name: textIn(fields, 'name', where),
    createdDate: optionalTextIn(fields, 'createdDate', where),
    description: description === null ? null : optionalTextIn(fields, 'description', where),
    configSource: configSource === null ? null : mapSource(objectIn(configSource, where), where),
    accessControl:
      accessControl === null
        ? null
        : listIn(fields, 'accessControl', where).map((item) => {
            const directive = objectIn(item, where)
            const role = textIn(directive, 'role', where)
            return { role, permission: textIn(directive, 'permission', where) }
          }),
  }
}

function mapSource(source: JsonObject, where: string): Environment['configSource'] {
  return { type: textIn(source, 'type', where), sources: textsIn(source, 'sources', where) }
}

export function environmentBody(draft: EnvironmentDraft): JsonObject {
  const { name, description, configSource, accessControl } = draft
  return { name, description, configSource, accessControl }
}
