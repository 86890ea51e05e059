import { readFileSync, statSync } from 'node:fs'
import { Type } from 'typebox'
import type { TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { isObject } from './domain/json-shape.ts'
import type { RoleRule } from './domain/role-rules.ts'

const MAX_FILE_BYTES = 1024 * 1024
const MAX_RULES = 1_000
/** A file that is wrong throughout need not be told of line by line. */
const MAX_FAULTS = 10

const label = (description: string) =>
  Type.String({ minLength: 1, maxLength: 200, pattern: '\\S', description })
const role = (description: string) => label(`${description}: its id, or its name in any case`)
const roles = (description: string) =>
  Type.Array(role('A role'), { minItems: 1, maxItems: 100, description })

const DEFAULT_SCOPE = 'overall'

const RULE_FIELDS = {
  name: label('Named by conflicts; every rule has another'),
  scope: Type.Optional(
    Type.Union([Type.Literal('overall'), Type.Literal('division')], {
      default: DEFAULT_SCOPE,
      description: 'What counts: held anywhere, or in one division together',
    }),
  ),
}

/** The kinds of rule, each with what it says. */
const RULES = {
  excludes: Type.Object(
    {
      ...RULE_FIELDS,
      kind: Type.Literal('excludes'),
      role: role('Who holds this role'),
      excludes: roles('must hold none of these'),
    },
    { additionalProperties: false },
  ),
  requires: Type.Object(
    {
      ...RULE_FIELDS,
      kind: Type.Literal('requires'),
      role: role('Who holds this role'),
      requires: roles('must hold one of these'),
    },
    { additionalProperties: false },
  ),
  segregates: Type.Object(
    {
      ...RULE_FIELDS,
      kind: Type.Literal('segregates'),
      permissions: Type.Array(
        Type.Array(label('A permission: domain:entity:action, or a flat one'), {
          minItems: 1,
          maxItems: 1_000,
        }),
        {
          minItems: 2,
          maxItems: 20,
          description: 'Sets of permissions: nobody may hold some of one and some of another',
        },
      ),
    },
    { additionalProperties: false },
  ),
}

/** What a file may hold beside its rules, which are checked one by one. */
const FRAME = Type.Object(
  { $schema: Type.Optional(Type.String({ description: 'Where editors find this schema' })) },
  { additionalProperties: false },
)

/** The form of a rules file. A rule without `scope` holds overall. */
export const RoleRulesFile = Type.Object(
  {
    ...FRAME.properties,
    rules: Type.Array(Type.Union(Object.values(RULES)), { maxItems: MAX_RULES }),
  },
  { additionalProperties: false },
)

/**
 * Reads the rules of a file, which take the place of the standard ones. The rules are sound only
 * when there are no faults; a fault names the rule and the field, and holds nothing else of the
 * file.
 */
export function readRoleRules(file: string): {
  readonly rules: readonly RoleRule[]
  readonly faults: readonly string[]
} {
  const { content, fault } = readJson(file)
  if (fault !== undefined) return { rules: [], faults: [fault] }
  const { list, faults } = rulesIn(content)
  const names = new Set<string>()
  const rules = list.map((item, index): RoleRule => {
    const rule = withScope(item)
    const name = nameOf(rule)
    const found = faultsOf(rule)
    if (name !== '' && names.has(name)) found.push('name is that of another rule')
    names.add(name)
    const which = `rule ${index + 1}${name && ` (${JSON.stringify(name.slice(0, 60))})`}`
    faults.push(...found.map((text) => `${which}: ${text}`))
    // Only handed on when there is no fault.
    return rule as RoleRule
  })
  const told = faults.slice(0, MAX_FAULTS)
  if (faults.length > told.length) told.push(`has ${faults.length - told.length} more faults`)
  return { rules, faults: told }
}

function readJson(file: string): { readonly content?: unknown; readonly fault?: string } {
  let text: string
  try {
    if (statSync(file).size > MAX_FILE_BYTES) return { fault: 'names a file larger than 1 MiB' }
    text = readFileSync(file, 'utf8').replace(/^\uFEFF/, '')
  } catch (error) {
    return { fault: `cannot be read (${(error as NodeJS.ErrnoException).code})` }
  }
  try {
    return { content: JSON.parse(text) as unknown }
  } catch (error) {
    // The message itself may quote the file, which could be another one by mistake.
    const [place] = /line \d+ column \d+/.exec((error as Error).message) ?? []
    return { fault: `names a file that is no JSON${place === undefined ? '' : ` (${place})`}` }
  }
}

function rulesIn(content: unknown): { readonly list: readonly unknown[]; faults: string[] } {
  const { rules, ...others } = isObject(content) ? content : { rules: undefined }
  if (!Array.isArray(rules)) return { list: [], faults: ['names a file without a list "rules"'] }
  const faults = schemaFaults(FRAME, others).map((text) => `names a file that ${text}`)
  if (rules.length <= MAX_RULES) return { list: rules, faults }
  return { list: [], faults: [...faults, `names a file of more than ${MAX_RULES} rules`] }
}

function withScope(item: unknown): unknown {
  return isObject(item) ? { scope: DEFAULT_SCOPE, ...item } : item
}

function nameOf(rule: unknown): string {
  const name = isObject(rule) ? rule['name'] : undefined
  return typeof name === 'string' ? name : ''
}

function faultsOf(rule: unknown): string[] {
  if (!isObject(rule)) return ['is no object']
  const kinds = Object.keys(RULES)
  const kind = kinds.find((known) => known === rule['kind']) as keyof typeof RULES | undefined
  if (kind === undefined) return [`kind must be one of ${kinds.join(', ')}`]
  const faults = schemaFaults(RULES[kind], rule)
  return faults.length > 0 ? faults : contradictions(rule as unknown as RoleRule)
}

/** What the schema cannot say: rules that nobody who is named by them could keep. */
function contradictions(rule: RoleRule): string[] {
  switch (rule.kind) {
    case 'excludes':
      return rule.excludes.includes(rule.role) ? ['excludes holds the rule’s own role'] : []
    case 'requires':
      return rule.requires.includes(rule.role) ? ['requires holds the rule’s own role'] : []
    case 'segregates': {
      const all = rule.permissions.flatMap((set) => [...new Set(set)])
      return new Set(all).size < all.length ? ['permissions has one permission in two sets'] : []
    }
  }
}

/** Keywords that only repeat what another fault at the same place says. */
const ECHOES = new Set(['boolean', 'const'])

function schemaFaults(schema: TSchema, value: unknown): string[] {
  return Value.Errors(schema, value)
    .filter(({ keyword }) => !ECHOES.has(keyword))
    .map(({ keyword, instancePath, params, message }) => {
      const field = instancePath.slice(1)
      if (keyword === 'anyOf') return `${field} must be overall or division`
      if (keyword === 'required' && 'requiredProperties' in params) {
        return `lacks ${params.requiredProperties.join(', ')}`
      }
      if (keyword === 'additionalProperties' && 'additionalProperties' in params) {
        const names = params.additionalProperties.map((name) => name.slice(0, 60))
        return `has unknown fields: ${names.join(', ')}`
      }
      return keyword === 'pattern' ? `${field} must not be blank` : `${field} ${message}`
    })
}
