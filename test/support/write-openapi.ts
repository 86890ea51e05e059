import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { Registry } from 'prom-client'
import { buildAdminApp } from '../../src/http/admin/admin-app.ts'
import { openAuthenticator } from '../../src/http/authenticator.ts'
import { buildCheckApp } from '../../src/http/check/check-app.ts'

/** The published descriptions, by plane. */
const FILES = { check: 'openapi/check.json', admin: 'openapi/admin.json' } as const
export type PlaneName = keyof typeof FILES
export const PLANE_NAMES = Object.keys(FILES) as PlaneName[]

const ROOT = join(import.meta.dirname, '..', '..')

/** Path of a plane's published description. */
export function openapiFile(plane: PlaneName): string {
  return join(ROOT, FILES[plane])
}

function never(): never {
  throw new Error('a plane that is only described was asked')
}

/** A plane over nothing: it can be described, but answers no request. */
export function buildPlane(plane: PlaneName): FastifyInstance {
  const shared = {
    matrices: { current: never, at: never, hold: never, ageSeconds: never },
    metrics: { decided: never, checkTook: never, answered: never, failed: never },
    logger: { error: never },
    auth: openAuthenticator,
    draining: () => false,
  }
  if (plane === 'check') {
    const unknownUsers = { note: never }
    return buildCheckApp({ ...shared, unknownUsers, rateLimit: 0, overloaded: () => false })
  }
  return buildAdminApp({
    ...shared,
    rebuilds: { start: never, find: never },
    audit: { append: never, list: never, stream: never, verify: never },
    allowlists: { list: never, validate: never, preview: never, create: never },
    organizationAllowlist: {
      read: never,
      validate: never,
      preview: never,
      replace: never,
      undo: never,
    },
    environments: { list: never, validate: never, preview: never, create: never },
    deliveries: { list: never, retry: never },
    offers: never,
    roleChanges: {
      accept: never,
      findAccepted: never,
      find: never,
      list: never,
      items: never,
      requestStop: never,
      resume: never,
      rollback: never,
      pendingSunsets: never,
    },
    reports: { start: never },
    reportStore: { find: never, content: never },
    workshop: { simulate: never },
    rules: [],
    wake: never,
    now: never,
    registry: new Registry(),
    checkApp: { swagger: never, ready: never, inject: never },
    status: never,
  })
}

/** The text of a plane's description: what the plane serves, laid out for reading. */
export async function writeDescription(plane: PlaneName): Promise<string> {
  const app = buildPlane(plane)
  try {
    await app.ready()
    return `${JSON.stringify(app.swagger(), null, 2)}\n`
  } finally {
    await app.close()
  }
}

if (import.meta.main) {
  for (const plane of PLANE_NAMES) writeFileSync(openapiFile(plane), await writeDescription(plane))
}
