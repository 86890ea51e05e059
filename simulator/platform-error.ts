/** A refusal in the platform's own form: thrown by operations, written by the server. */
export class PlatformError extends Error {
  readonly status: number
  readonly code: string
  readonly params: Readonly<Record<string, string>>
  readonly extra: Readonly<Record<string, unknown>>
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    code: string,
    message: string,
    detail: {
      params?: Record<string, string>
      extra?: Record<string, unknown>
      headers?: Record<string, string>
    } = {},
  ) {
    super(message)
    this.status = status
    this.code = code
    this.params = detail.params ?? {}
    this.extra = detail.extra ?? {}
    this.headers = detail.headers ?? {}
  }
}

/** The body that the platform sends with every refusal; `contextId` is repeated in a header. */
export function errorBody(error: PlatformError, contextId: string): string {
  return JSON.stringify({
    message: error.message,
    code: error.code,
    status: error.status,
    messageParams: error.params,
    contextId,
    details: [],
    errors: [],
    ...error.extra,
  })
}

export function invalidValue(name: string, value: string, expected: string): PlatformError {
  return new PlatformError(400, 'invalid.value', `Value [${value}] is not valid for ${name}.`, {
    params: { field: name, value, expected },
  })
}

export function badRequest(message: string): PlatformError {
  return new PlatformError(400, 'bad.request', message)
}

export function notFound(kind: string, id: string): PlatformError {
  return new PlatformError(404, 'not.found', `Unable to find a ${kind} with that id: ${id}`, {
    params: { entity: kind, id },
    extra: { entityId: id, entityName: kind },
  })
}

export function conflict(message: string): PlatformError {
  return new PlatformError(409, 'general.conflict', message)
}
