import type { NamedPath } from '../domain/explain.ts'
import { readList, reader } from './service-answer.ts'

const readMembers = reader({
  role: 'object',
  division: 'object',
  via: 'object',
  policy: 'string',
  outcome: 'string',
  missing: 'list?',
})
const readNamed = reader({ id: 'string', name: 'string' })
const readVia = reader({ type: 'string', name: 'string?' })

/** One way to a permission, as the service tells it. */
function readPath(answer: unknown, where: string): NamedPath {
  const path = readMembers(answer, where)
  readNamed(path.role, `the role of ${where}`)
  readNamed(path.division, `the division of ${where}`)
  readVia(path.via, `the source of ${where}`)
  return path as unknown as NamedPath
}

export function readPaths(paths: readonly unknown[], where: string): readonly NamedPath[] {
  return readList(paths, `a path of ${where}`, readPath)
}

/** `Agent in Sales`, `Supervisor in Support by group Night Shift`. */
export function describePath({ role, division, via, outcome }: NamedPath): string {
  const by = via.type === 'group' ? ` by group ${via.name}` : ''
  const condition = outcome === 'conditional' ? ' under a condition' : ''
  return `${role.name} in ${division.name}${by}${condition}`
}
