import { Failure } from '../domain/failure.ts'
import type { Fault } from '../domain/failure.ts'
import { attributesOf, readAttributes } from './attributes.ts'
import type { Attributes } from './attributes.ts'
import { parseRecords } from './input-file.ts'
import type { InputRecord } from './input-file.ts'

/** A line of a file of checks: who, what and where as a person names them. */
export type AskedCheck = {
  readonly user: string
  readonly permission: string
  readonly division?: string
  readonly attributes?: Attributes
}

/** What a member may be called; the service's own names are the second ones. */
const NAMES = {
  user: ['user', 'userId'],
  permission: ['permission'],
  division: ['division', 'divisionId'],
} as const

const KNOWN: readonly string[] = [...Object.values(NAMES).flat(), 'attributes']
const MAX_FAULTS = 100

/**
 * Reads checks from JSON, NDJSON or CSV. `division` is the one for lines that name none. Throws one
 * `invalid` with every line at fault.
 */
export function readChecks(content: string, division: string | undefined): readonly AskedCheck[] {
  const faults: Fault[] = []
  const checks: AskedCheck[] = []
  for (const record of parseRecords(content, KNOWN)) {
    try {
      checks.push(checkOf(record, division))
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      faults.push({ field: record.where, message: error.message })
    }
  }
  if (faults.length > 0) {
    const message = `${faults.length} of ${faults.length + checks.length} checks cannot be read`
    throw new Failure('invalid', message, { faults: faults.slice(0, MAX_FAULTS) })
  }
  if (checks.length === 0)
    throw new Failure('invalid', 'there is no check to make: the file is empty')
  return checks
}

function checkOf({ values }: InputRecord, standard: string | undefined): AskedCheck {
  const unknown = Object.keys(values).find((name) => !KNOWN.includes(name))
  if (unknown !== undefined) {
    const names = 'user, permission, division and attributes'
    throw new Failure('invalid', `${unknown} is not known: a check has ${names}`)
  }
  const user = textOf(values, 'user')
  const permission = textOf(values, 'permission')
  if (user === undefined || permission === undefined) {
    throw new Failure('invalid', `${user === undefined ? 'user' : 'permission'} is missing`)
  }
  const division = textOf(values, 'division') ?? standard
  const { attributes: given } = values
  const attributes = typeof given === 'string' ? readAttributes(given) : attributesOf(given)
  return {
    user,
    permission,
    ...(division === undefined ? {} : { division }),
    ...(attributes === undefined ? {} : { attributes }),
  }
}

function textOf(values: InputRecord['values'], name: keyof typeof NAMES): string | undefined {
  const value = NAMES[name].map((each) => values[each]).find((each) => each !== undefined)
  if (value === undefined) return undefined
  if (typeof value === 'string' && value !== '') return value
  throw new Failure('invalid', `${name} must be a text`)
}
