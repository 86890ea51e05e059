import { readSmallFile } from './small-file.ts'
import { systemCode } from './system-code.ts'

/** A variable that permctl reads beside those of the service. */
type Variable = {
  readonly description: string
  readonly default?: string
  /** May come as `NAME_FILE` too: the path of a file that holds it. */
  readonly secret?: true
  /**
   * May come from Vault. Keys, ids and secrets only: whoever writes there must not decide where they
   * are sent to, nor which of the caller's files are read.
   */
  readonly vault?: true
}

/** permctl's own variables; of the service's it reads those that begin with `GENESYS_`. */
export const PERMCTL_VARIABLES = {
  PERMCTL_CHECK_URL: { description: 'URL of the check plane', default: 'http://127.0.0.1:8080' },
  PERMCTL_ADMIN_URL: { description: 'URL of the admin plane', default: 'http://127.0.0.1:8081' },
  PERMCTL_CHECK_KEY: {
    description: 'Key of the check plane: the secret alone',
    secret: true,
    vault: true,
  },
  PERMCTL_ADMIN_KEY: {
    description: 'Key of the admin plane: the secret alone',
    secret: true,
    vault: true,
  },
  VAULT_ADDR: { description: 'HashiCorp Vault that holds what is set nowhere else: its URL' },
  VAULT_TOKEN: { description: 'Token for it', secret: true },
  VAULT_PATH: { description: 'Secret in a KV v2 engine: MOUNT/PATH, keys named as the variables' },
  VAULT_NAMESPACE: { description: 'Namespace of the secret, where Vault has several' },
  VAULT_CACERT: { description: 'File with the certificate of the authority that Vault is under' },
} as const satisfies Readonly<Record<string, Variable>>

const PLATFORM_VARIABLES = {
  GENESYS_CLIENT_ID: { description: 'OAuth client of the platform', vault: true },
  GENESYS_CLIENT_SECRET: { description: 'Secret of GENESYS_CLIENT_ID', secret: true, vault: true },
  GENESYS_WRITE_CLIENT_ID: { description: 'A second OAuth client, for changes', vault: true },
  GENESYS_WRITE_CLIENT_SECRET: {
    description: 'Secret of GENESYS_WRITE_CLIENT_ID',
    secret: true,
    vault: true,
  },
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

/** Whether a variable may come from Vault, and in no other form than its own name. */
export function isFromVault(name: VariableName): boolean {
  return VARIABLES[name].vault === true
}

/** Names that Vault may have values of. */
export function vaultNames(): readonly VariableName[] {
  return (Object.keys(VARIABLES) as VariableName[]).filter(isFromVault)
}

/** What may stand in a profile or the environment for permctl. */
export function knownNames(): readonly string[] {
  return Object.entries(VARIABLES).flatMap(([name, { secret }]) => {
    return secret ? [name, `${name}_FILE`] : [name]
  })
}

export function describeVariable(name: VariableName): string {
  return VARIABLES[name].description
}

/**
 * The values of variables in layers, the first one strongest, Vault after them all. Within a layer
 * `NAME` comes before `NAME_FILE`; an empty one counts as unset. What is wrong on the way is kept in {@link faults}:
 * no fault holds a value.
 */
export class Variables {
  readonly #layers: readonly Layer[]
  readonly #faults = new Set<string>()
  /** By path: what is no regular file can be read once. */
  readonly #files = new Map<string, string | undefined>()
  #vault: Layer = {}

  constructor(layers: readonly Layer[]) {
    this.#layers = layers
  }

  get faults(): readonly string[] {
    return [...this.#faults]
  }

  /** What Vault has, for what none of the layers has. Only values that may come from there count. */
  addVault(layer: Layer): void {
    this.#vault = layer
  }

  /** The value, or the default. */
  read(name: VariableName): string | undefined {
    for (const layer of this.#layers) {
      const value = this.#inLayer(layer, name)
      if (value !== undefined) return value
    }
    const value = isFromVault(name) ? this.#vault[name] : undefined
    return value === undefined || value === '' ? VARIABLES[name].default : value
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
    return this.#fromFile(`${name}_FILE`, file)
  }

  #fromFile(name: string, path: string): string | undefined {
    if (this.#files.has(path)) return this.#files.get(path)
    const content = this.#readFile(name, path)
    this.#files.set(path, content)
    return content
  }

  #readFile(name: string, path: string): string | undefined {
    try {
      const content = readSmallFile(path).trim()
      if (content !== '') return content
      this.#faults.add(`${name} names an empty file`)
    } catch (error) {
      this.#faults.add(`${name} cannot be read (${systemCode(error)})`)
    }
    return undefined
  }
}
