import { readFileSync } from 'node:fs'

/** A variable that permctl reads beside those of the service. */
type Variable = {
  readonly description: string
  readonly default?: string
  /** May come as `NAME_FILE` too: the path of a file that holds it. */
  readonly secret?: true
}

/** permctl's own variables; of the service's it reads those that begin with `GENESYS_`. */
export const PERMCTL_VARIABLES = {
  PERMCTL_CHECK_URL: { description: 'URL of the check plane', default: 'http://127.0.0.1:8080' },
  PERMCTL_ADMIN_URL: { description: 'URL of the admin plane', default: 'http://127.0.0.1:8081' },
  PERMCTL_CHECK_KEY: { description: 'Key of the check plane: the secret alone', secret: true },
  PERMCTL_ADMIN_KEY: { description: 'Key of the admin plane: the secret alone', secret: true },
  VAULT_ADDR: { description: 'HashiCorp Vault that holds what is set nowhere else: its URL' },
  VAULT_TOKEN: { description: 'Token for it', secret: true },
  VAULT_PATH: { description: 'Secret in a KV v2 engine: MOUNT/PATH, keys named as the variables' },
} as const satisfies Readonly<Record<string, Variable>>

const PLATFORM_VARIABLES = {
  GENESYS_CLIENT_ID: { description: 'OAuth client of the platform' },
  GENESYS_CLIENT_SECRET: { description: 'Its secret', secret: true },
  GENESYS_WRITE_CLIENT_ID: { description: 'A second OAuth client, for changes' },
  GENESYS_WRITE_CLIENT_SECRET: { description: 'Its secret', secret: true },
  GENESYS_REGION: { description: 'Region' },
  GENESYS_BASE_URL: { description: 'A gateway or simulator' },
  GENESYS_REQUESTS_PER_MINUTE: { description: 'Requests within a minute', default: '240' },
} as const satisfies Readonly<Record<string, Variable>>

const VARIABLES: Readonly<Record<VariableName, Variable>> = {
  ...PERMCTL_VARIABLES,
  ...PLATFORM_VARIABLES,
}
export type VariableName = keyof typeof PERMCTL_VARIABLES | keyof typeof PLATFORM_VARIABLES

/** Names and texts from one source: a profile, the environment, Vault. */
export type Layer = Readonly<Record<string, string | undefined>>

export function describeVariable(name: VariableName): string {
  return VARIABLES[name].description
}

/**
 * The values of variables in layers, the first one strongest. Within a layer `NAME` comes before
 * `NAME_FILE`; an empty one counts as unset. What is wrong on the way is kept in {@link faults}:
 * no fault holds a value.
 */
export class Variables {
  readonly #layers: Layer[]
  readonly #faults = new Set<string>()

  constructor(layers: readonly Layer[]) {
    this.#layers = [...layers]
  }

  get faults(): readonly string[] {
    return [...this.#faults]
  }

  /** A source that is asked only for what none of those before has. */
  addWeakest(layer: Layer): void {
    this.#layers.push(layer)
  }

  /** The value, or the default. */
  read(name: VariableName): string | undefined {
    for (const layer of this.#layers) {
      const value = this.#inLayer(layer, name)
      if (value !== undefined) return value
    }
    return VARIABLES[name].default
  }

  /** The first of these names that the strongest layer with any of them has. */
  readOne<Name extends VariableName>(
    names: readonly Name[],
  ): { readonly name: Name; readonly value: string } | undefined {
    for (const layer of this.#layers) {
      for (const name of names) {
        const value = this.#inLayer(layer, name)
        if (value !== undefined) return { name, value }
      }
    }
    return undefined
  }

  #inLayer(layer: Layer, name: VariableName): string | undefined {
    const value = layer[name]
    if (value !== undefined && value !== '') return value
    const file = VARIABLES[name].secret ? layer[`${name}_FILE`] : undefined
    if (file === undefined || file === '') return undefined
    try {
      const content = readFileSync(file, 'utf8').trim()
      if (content !== '') return content
      this.#faults.add(`${name}_FILE names an empty file`)
    } catch (error) {
      this.#faults.add(
        `${name}_FILE cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
      )
    }
    return undefined
  }
}
