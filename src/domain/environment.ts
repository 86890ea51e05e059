import { MAX_HINTS } from './fault-list.ts'
import { nearestName } from './permission.ts'
import { checkDescription, noFindings, validationOf } from './validation.ts'
import type { Findings, Validation } from './validation.ts'

/** A caller gives its own matrix as the source of what an environment is configured with. */
const CONFIG_SOURCE_TYPES = ['matrix'] as const

const NAME = /^[a-z][a-z0-9-]{2,31}$/
const MAX_SOURCES = 100
const MAX_DIRECTIVES = 100
const MAX_TEXT_LENGTH = 256

/** Who may do what in an environment. `permission` is free text: `full`, `read_write`. */
type AccessDirective = { readonly role: string; readonly permission: string }

type ConfigSource = {
  readonly type: (typeof CONFIG_SOURCE_TYPES)[number]
  readonly sources: readonly string[]
}

/** As a caller writes it. */
export type RequestedEnvironment = {
  readonly name: string
  readonly description?: string | undefined
  readonly configSource: { readonly type: string; readonly sources: readonly string[] }
  readonly accessControl: readonly Partial<AccessDirective>[]
}

/** An environment that may be created. */
export type EnvironmentDraft = {
  readonly name: string
  readonly description: string
  readonly configSource: ConfigSource
  readonly accessControl: readonly AccessDirective[]
}

/**
 * Checks a whole environment before anything is sent. A role that the organisation does not know is
 * a warning only: it may come to be. The first few of them come with the nearest name.
 *
 * @param roleNames the organisation's roles; undefined when they are not known
 */
export function validateEnvironment(
  requested: RequestedEnvironment,
  roleNames: ReadonlySet<string> | undefined,
): Validation<EnvironmentDraft> {
  const { name, description = '', configSource, accessControl } = requested
  const findings = noFindings()
  checkEnvironmentName(name, findings)
  checkDescription(description, findings)
  const type = checkSource(configSource, findings)
  checkSize('accessControl', accessControl, MAX_DIRECTIVES, findings)
  for (const [index, directive] of accessControl.slice(0, MAX_DIRECTIVES).entries()) {
    checkDirective(directive, index, roleNames, findings)
  }
  const directives = accessControl.map(({ role = '', permission = '' }) => ({ role, permission }))
  return validationOf(findings, {
    name,
    description,
    configSource: { type, sources: [...configSource.sources] },
    accessControl: directives,
  })
}

function checkEnvironmentName(name: string, { faults }: Findings): void {
  if (NAME.test(name)) return
  const message =
    'must have 3 to 32 characters, lower-case letters, digits and hyphens, and begin with a letter'
  const corrected = name
    .trim()
    .toLowerCase()
    .slice(0, MAX_TEXT_LENGTH)
    .replaceAll(/[^a-z0-9-]+/g, '-')
  const fault = { field: 'name', message }
  faults.push(NAME.test(corrected) ? { ...fault, suggestion: corrected } : fault)
}

function checkSource(
  source: RequestedEnvironment['configSource'],
  findings: Findings,
): ConfigSource['type'] {
  const [matrix] = CONFIG_SOURCE_TYPES
  const { faults } = findings
  if (source.type !== matrix) {
    faults.push({ field: 'configSource/type', message: `must be ${matrix}`, suggestion: matrix })
  }
  if (source.sources.length === 0) {
    faults.push({ field: 'configSource/sources', message: 'must name at least one source' })
  }
  checkSize('configSource/sources', source.sources, MAX_SOURCES, findings)
  for (const [index, text] of source.sources.slice(0, MAX_SOURCES).entries()) {
    checkText(`configSource/sources/${index}`, text, findings)
  }
  return matrix
}

function checkDirective(
  { role, permission }: Partial<AccessDirective>,
  index: number,
  roleNames: ReadonlySet<string> | undefined,
  findings: Findings,
): void {
  const field = `accessControl/${index}`
  checkText(`${field}/permission`, permission, findings)
  if (!checkText(`${field}/role`, role, findings)) return
  if (role === undefined || roleNames === undefined || roleNames.has(role)) return
  const { warnings } = findings
  const near = warnings.length < MAX_HINTS ? nearestName(role, roleNames) : undefined
  const warning = { field: `${field}/role`, message: 'is no role of the organisation' }
  warnings.push(near === undefined ? warning : { ...warning, suggestion: near })
}

function checkText(field: string, text: string | undefined, { faults }: Findings): boolean {
  if (text === undefined || text.trim() === '') {
    faults.push({ field, message: text === undefined ? 'is required' : 'must not be empty' })
    return false
  }
  if (text.length <= MAX_TEXT_LENGTH) return true
  faults.push({ field, message: `must have at most ${MAX_TEXT_LENGTH} characters` })
  return false
}

function checkSize(
  field: string,
  list: readonly unknown[],
  most: number,
  { faults }: Findings,
): void {
  if (list.length <= most) return
  faults.push({ field, message: `must have at most ${most} entries, not ${list.length}` })
}
