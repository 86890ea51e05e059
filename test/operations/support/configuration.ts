import { Environment, SECRET_VARIABLES } from '../../../src/environment.ts'

type Variable = { readonly default?: string | number; readonly description?: string }

/** The variables as the configuration's schema has them. */
export const VARIABLES = new Map(
  Object.entries(Environment.properties as unknown as Readonly<Record<string, Variable>>),
)

/** Every name that may stand in the environment. */
export const NAMES: ReadonlySet<string> = new Set([
  ...VARIABLES.keys(),
  ...SECRET_VARIABLES.map((name) => `${name}_FILE`),
])
