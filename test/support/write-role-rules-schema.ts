import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { RoleRulesFile } from '../../src/role-rules-file.ts'

/** Where the form of a rules file is published; `oxfmt` lays it out. */
export const SCHEMA_FILE = 'docs/role-rules.schema.json'

/** What is published: the form by which the service checks a rules file at its start. */
export function roleRulesSchema(): object {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Rules on which roles and permissions may meet in one person (ROLE_RULES_FILE)',
    ...RoleRulesFile,
  }
}

if (import.meta.main) {
  const path = join(import.meta.dirname, '..', '..', SCHEMA_FILE)
  writeFileSync(path, JSON.stringify(roleRulesSchema(), null, 2))
}
