import type { FastifySchemaValidationError } from 'fastify'
import { Failure } from '../domain/failure.ts'
import { PATTERN_WORDS } from './schemas.ts'

/** Of a member's name that is said back to whoever sent it. */
const MAX_NAME_LENGTH = 256

/** The first thing that a schema found wrong, in the caller's words: `checks/3/permission is required`. */
export function validationFailure(
  errors: readonly FastifySchemaValidationError[],
  context: string | undefined,
): Failure {
  const [error] = errors
  if (!error) return new Failure('invalid', 'the request is malformed')
  const path = error.instancePath.slice(1)
  if (error.keyword === 'required') {
    const missing = String(error.params['missingProperty'])
    const field = path === '' ? missing : `${path}/${missing}`
    return new Failure('invalid', `${field} is required`, { field })
  }
  if (error.keyword === 'additionalProperties') {
    const unknown = String(error.params['additionalProperty']).slice(0, MAX_NAME_LENGTH)
    const field = path === '' ? unknown : `${path}/${unknown}`
    return new Failure('invalid', `${field} is not known here`, { field })
  }
  const words = describe(error)
  if (path === '') {
    const where = context === 'querystring' ? 'query' : (context ?? 'request')
    return new Failure('invalid', `the ${where} ${words}`)
  }
  return new Failure('invalid', `${path} ${words}`, { field: path })
}

function describe({ keyword, params, message }: FastifySchemaValidationError): string {
  const limit = Number(params['limit'])
  switch (keyword) {
    case 'type':
      return `must be ${article(String(params['type']))}`
    case 'minLength':
      return limit === 1 ? 'must not be empty' : `must have at least ${limit} characters`
    case 'maxLength':
      return `must have at most ${limit} characters`
    case 'enum':
      return `must be one of ${(params['allowedValues'] as unknown[]).join(', ')}`
    case 'pattern':
      return PATTERN_WORDS.get(String(params['pattern'])) ?? 'does not have the expected form'
    default:
      return message ?? 'is not valid'
  }
}

function article(types: string): string {
  const names = types.split(',').join(' or ')
  return /^[aio]/.test(names) ? `an ${names}` : `a ${names}`
}
