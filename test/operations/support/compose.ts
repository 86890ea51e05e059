import { readYaml } from './repository.ts'

export type ComposeService = {
  readonly image?: string
  readonly build?: { readonly context: string; readonly target: string }
  readonly environment?: Readonly<Record<string, string>>
  readonly secrets?: readonly string[]
  readonly volumes?: readonly string[]
  readonly tmpfs?: readonly string[]
  readonly ports?: readonly string[]
  readonly command?: readonly string[]
  readonly healthcheck?: { readonly test: readonly string[] }
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly security_opt?: readonly string[]
}

type Compose = {
  readonly services: Readonly<Record<string, ComposeService>>
  readonly secrets: Readonly<Record<string, { readonly file: string }>>
  readonly volumes: Readonly<Record<string, unknown>>
}

export function readCompose(): Compose {
  return readYaml('docker-compose.yml') as Compose
}

const VARIABLE = /\$\{(\w+)(:?-)([^}]*)\}/g

/** The text as Compose reads it where no variable is set. */
export function withDefaults(text: string): string {
  return text.replaceAll(VARIABLE, '$3')
}

export function variablesIn(text: string): string[] {
  return [...text.matchAll(VARIABLE)].map(([, name = '']) => name)
}
