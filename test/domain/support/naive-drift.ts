import type { DriftKind } from '../../../src/domain/compare-matrices.ts'
import type { Facts, Grant, RoleFact } from '../../../src/domain/facts.ts'
import { knownGrants } from './naive-evaluator.ts'

/** Differences as `kind|id|detail`, found by looking everything up in everything. */
export type NaiveDrift = {
  readonly ofSubjects: readonly string[]
  readonly ofOthers: readonly string[]
  /** Who differs. */
  readonly subjectIds: ReadonlySet<string>
}

export function naiveDrift(before: Facts, after: Facts): NaiveDrift {
  const subjectIds = new Set<string>()
  const ofSubjects: string[] = []
  addSubjects(before, after, (kind, id, detail = '') => {
    subjectIds.add(id)
    ofSubjects.push([kind, id, detail].join('|'))
  })
  const ofOthers: string[] = []
  const add: Add = (kind, id, detail = '') => {
    ofOthers.push([kind, id, detail].join('|'))
  }
  addGroups(before, after, add)
  addRoles(before, after, add)
  compareDivisions(before, after, add)
  comparePermissions(before, after, add)
  return { ofSubjects: ofSubjects.sort(), ofOthers: ofOthers.sort(), subjectIds }
}

type Add = (kind: DriftKind, id: string, detail?: string) => void

function grantComparer(before: Facts, after: Facts, add: Add) {
  return (id: string, was: readonly Grant[], is: readonly Grant[]): void => {
    const old = knownGrants(before, was).map(grantText)
    const now = knownGrants(after, is).map(grantText)
    for (const text of now) if (!old.includes(text)) add('grant_added', id, text)
    for (const text of old) if (!now.includes(text)) add('grant_removed', id, text)
  }
}

function addSubjects(before: Facts, after: Facts, add: Add): void {
  const compareGrants = grantComparer(before, after, add)
  for (const subject of after.subjects) {
    const was = before.subjects.find(({ id }) => id === subject.id)
    if (was === undefined) {
      add('subject_added', subject.id)
      continue
    }
    if (was.state !== subject.state) {
      add('subject_state_changed', subject.id, `${was.state} → ${subject.state}`)
    }
    const old = knownGroups(before, was.groupIds)
    const now = knownGroups(after, subject.groupIds)
    for (const id of now) if (!old.includes(id)) add('membership_added', subject.id, id)
    for (const id of old) if (!now.includes(id)) add('membership_removed', subject.id, id)
    compareGrants(subject.id, was.grants, subject.grants)
  }
  for (const { id } of before.subjects) {
    if (!after.subjects.some((subject) => subject.id === id)) add('subject_removed', id)
  }
}

function addGroups(before: Facts, after: Facts, add: Add): void {
  const compareGrants = grantComparer(before, after, add)
  for (const group of after.groups) {
    const was = before.groups.find(({ id }) => id === group.id)
    if (was === undefined) {
      add('group_changed', group.id, 'added')
      continue
    }
    if (was.rolesEnabled !== group.rolesEnabled) {
      add('group_changed', group.id, `rolesEnabled: ${group.rolesEnabled}`)
    }
    compareGrants(group.id, was.grants, group.grants)
  }
  for (const { id } of before.groups) {
    if (!after.groups.some((group) => group.id === id)) add('group_changed', id, 'removed')
  }
}

function addRoles(before: Facts, after: Facts, add: Add): void {
  for (const role of after.roles) {
    const was = before.roles.find(({ id }) => id === role.id)
    if (was === undefined) add('role_added', role.id)
    else if (givenText(was) !== givenText(role)) add('role_changed', role.id)
  }
  for (const { id } of before.roles) {
    if (!after.roles.some((role) => role.id === id)) add('role_removed', id)
  }
}

function compareDivisions(before: Facts, after: Facts, add: Add): void {
  const old = before.divisions.map(({ id }) => id)
  const now = after.divisions.map(({ id }) => id)
  for (const id of now) if (!old.includes(id)) add('division_added', id)
  for (const id of old) if (!now.includes(id)) add('division_removed', id)
}

function comparePermissions(before: Facts, after: Facts, add: Add): void {
  const old = narrowing(before)
  const now = narrowing(after)
  for (const [code, divisionAware] of now) {
    const was = old.get(code)
    if (was === undefined) add('permission_added', code)
    else if (was !== divisionAware) {
      add('permission_changed', code, `divisionAware: ${divisionAware}`)
    }
  }
  for (const code of old.keys()) if (!now.has(code)) add('permission_removed', code)
}

/** Code → whether any of the catalogue's lines of that code says that divisions narrow it. */
function narrowing(facts: Facts): Map<string, boolean> {
  const codes = facts.permissions.map((permission) => {
    return `${permission.domain}:${permission.entity}:${permission.action}`
  })
  return new Map(
    codes.map((code) => {
      const lines = facts.permissions.filter((_, index) => codes[index] === code)
      return [code, lines.some((line) => line.divisionAware)]
    }),
  )
}

function grantText(grant: Grant): string {
  return `${grant.roleId} in ${grant.divisionId}`
}

function knownGroups(facts: Facts, ids: readonly string[]): string[] {
  return [...new Set(ids)].filter((id) => facts.groups.some((group) => group.id === id))
}

/** What a role gives, in one order: lists of names and policies mean the same in any. */
function givenText(role: RoleFact): string {
  const policies = role.policies.map((policy) => {
    const actions = [...new Set(policy.actions)].sort()
    return JSON.stringify([policy.domain, policy.entity, actions, policy.condition])
  })
  return JSON.stringify([[...new Set(role.permissions)].sort(), policies.sort()])
}
