import type { FieldChange } from './json-difference.ts'
import type { UserRow, UserState } from './user-row.ts'

/** A user as the platform has it; a text is empty when the platform gives none. */
export type PlatformUser = {
  readonly id: string
  /** Rises with every change; an update that names another one is a conflict. */
  readonly version: number
  readonly email: string
  readonly name: string
  readonly divisionId: string
  readonly divisionName: string
  readonly department: string
  readonly title: string
  readonly state: UserState
}

export type NewUser = {
  readonly email: string
  readonly name: string
  readonly divisionId: string
  readonly department?: string
  readonly title?: string
  readonly state: 'active' | 'inactive'
}

const PROFILE_FIELDS = ['name', 'department', 'title'] as const
type ProfileFields = { readonly [Field in (typeof PROFILE_FIELDS)[number]]?: string }

/**
 * One request on the way to what a row wants. A change of state stands alone: the platform takes no
 * other field beside it.
 */
export type UserStep =
  | { readonly kind: 'state'; readonly state: 'active' | 'inactive' }
  | { readonly kind: 'profile'; readonly fields: ProfileFields }
  | { readonly kind: 'division'; readonly divisionId: string }
  | { readonly kind: 'delete' }

export type UserPlan =
  | { readonly kind: 'create'; readonly user: NewUser; readonly changes: readonly FieldChange[] }
  | {
      readonly kind: 'update'
      readonly steps: readonly UserStep[]
      readonly changes: readonly FieldChange[]
    }
  | { readonly kind: 'unchanged' }
  /** The row cannot be met; `message` says why. */
  | { readonly kind: 'impossible'; readonly message: string }

export type PlanContext = {
  /** The division that the row names; undefined when it names none. */
  readonly divisionId: string | undefined
  readonly homeDivisionId: string
}

/** What has to be done for a row, given the user that has its email, if there is one. */
export function planUser(
  row: UserRow,
  current: PlatformUser | undefined,
  context: PlanContext,
): UserPlan {
  if (current === undefined) return planNew(row, context)
  if (row.id !== undefined && row.id !== current.id) {
    return { kind: 'impossible', message: `${row.email} belongs to another user: ${current.id}` }
  }
  if (current.state === 'deleted') {
    if (row.state === 'deleted') return { kind: 'unchanged' }
    if (row.state === undefined) {
      const message = `${row.email} is a deleted user: a row with state active brings it back`
      return { kind: 'impossible', message }
    }
  }
  return row.state === 'deleted' ? deletion(current) : update(row, current, context)
}

/** The part of a plan's changes that one of its steps makes. */
export function changesOfStep(
  step: UserStep,
  changes: readonly FieldChange[],
): readonly FieldChange[] {
  return changes.filter(({ field }) => {
    switch (step.kind) {
      case 'profile':
        return Object.hasOwn(step.fields, field)
      case 'division':
        return field === 'division'
      case 'state':
      case 'delete':
        return field === 'state'
    }
  })
}

/** Whether the plan takes something away from a user that cannot be had back by another row. */
export function takesAway(plan: UserPlan): boolean {
  return (
    plan.kind === 'update' &&
    plan.steps.some(
      (step) => step.kind === 'delete' || (step.kind === 'state' && step.state === 'inactive'),
    )
  )
}

function planNew(row: UserRow, { divisionId, homeDivisionId }: PlanContext): UserPlan {
  // Nobody is what is wanted.
  if (row.state === 'deleted') return { kind: 'unchanged' }
  if (row.id !== undefined) {
    return { kind: 'impossible', message: `no user has the email ${row.email}, and id ${row.id}` }
  }
  if (row.name === undefined) {
    return {
      kind: 'impossible',
      message: `no user has the email ${row.email}, and a new one needs a name`,
    }
  }
  const { email, name, department = '', title = '', state = 'active' } = row
  const user: NewUser = {
    email,
    name,
    divisionId: divisionId ?? homeDivisionId,
    ...(department !== '' && { department }),
    ...(title !== '' && { title }),
    state,
  }
  const changes = Object.entries(user).map(([field, after]) => {
    return field === 'divisionId'
      ? { field: 'division', before: null, after: row.division ?? after }
      : { field, before: null, after }
  })
  return { kind: 'create', user, changes }
}

function deletion(current: PlatformUser): UserPlan {
  const changes = [{ field: 'state', before: current.state, after: 'deleted' }]
  return { kind: 'update', steps: [{ kind: 'delete' }], changes }
}

function update(row: UserRow, current: PlatformUser, { divisionId }: PlanContext): UserPlan {
  const steps: UserStep[] = []
  const changes: FieldChange[] = []
  const state = row.state === current.state || row.state === 'deleted' ? undefined : row.state
  // Who is not active can be changed in little but the state.
  if (state === 'active') steps.push({ kind: 'state', state })
  const fields: Record<string, string> = {}
  for (const field of PROFILE_FIELDS) {
    const after = row[field]
    if (after === undefined || after.trim() === current[field].trim()) continue
    fields[field] = after
    changes.push({ field, before: current[field], after })
  }
  if (Object.keys(fields).length > 0) steps.push({ kind: 'profile', fields })
  if (state === 'inactive') steps.push({ kind: 'state', state })
  if (state !== undefined) changes.push({ field: 'state', before: current.state, after: state })
  // Moving raises the version unseen, so that it comes last.
  if (divisionId !== undefined && divisionId !== current.divisionId) {
    steps.push({ kind: 'division', divisionId })
    const before = current.divisionName === '' ? current.divisionId : current.divisionName
    changes.push({ field: 'division', before, after: row.division ?? divisionId })
  }
  return steps.length === 0 ? { kind: 'unchanged' } : { kind: 'update', steps, changes }
}
