import { CappedList } from './capped-list.ts'
import { ConflictTally } from './conflict-tally.ts'
import type { GrantTranslator } from './effective-grants.ts'
import { keptThroughGroups } from './kept-permissions.ts'
import { LicenceTally } from './licence-tally.ts'
import type { Matrix } from './matrix.ts'
import {
  addBits,
  addDifference,
  bitsWithout,
  heldBits,
  isEmptyRow,
  PermissionReader,
  undividedPermissions,
} from './permission-bits.ts'
import type { PermissionBits } from './permission-bits.ts'
import { grantContext } from './plan-grants.ts'
import type { GrantContext } from './plan-grants.ts'
import type { PreparedRules } from './prepare-rules.ts'
import { hasBit } from './role-rows.ts'
import type { RoleRows } from './role-rows.ts'
import { OVERALL } from './rule-breaches.ts'
import type { EntryWriter } from './simulated-entry.ts'
import type {
  KeptThroughGroup,
  Lockout,
  SimulatedEntry,
  Simulation,
  WithoutEffect,
} from './simulation.ts'
import { forEachGrant, isActive, isClient } from './subject-assignments.ts'
import type { ChangedWorld, SubjectChange } from './subject-change.ts'
import { grantsWithoutEffect } from './without-effect.ts'

export type TallyOptions = {
  readonly matrix: Matrix
  readonly world: ChangedWorld
  readonly translator: GrantTranslator
  readonly writer: EntryWriter
  readonly rules: { readonly before: PreparedRules; readonly after: PreparedRules }
  readonly page: { readonly offset: number; readonly limit: number }
}

/** Without all of these an administrator can no longer give, or give back, what roles give. */
const ROLE_ADMINISTRATION = [
  'authorization:grant:add',
  'authorization:grant:delete',
  'authorization:role:edit',
]

/** Adds up what a change does to one subject after the other. */
export class SimulationTally {
  readonly #options: TallyOptions
  readonly #context: GrantContext
  readonly #entries: SimulatedEntry[] = []
  readonly #conflicts: ConflictTally
  readonly #licences: LicenceTally
  readonly #withoutEffect = new CappedList<WithoutEffect>()
  readonly #kept = new CappedList<KeptThroughGroup>()
  readonly #lockouts = new CappedList<Lockout>()
  /** Readers of rows cut down to what may differ, and room for what they read. */
  readonly #readers: { readonly before: PermissionReader; readonly after: PermissionReader }
  readonly #room: { readonly before: PermissionBits; readonly after: PermissionBits }
  /** The permissions of {@link ROLE_ADMINISTRATION} that may differ. */
  readonly #administration: readonly { readonly code: string; readonly bit: number }[]
  /** Permissions that differ for some user in some division. */
  readonly #touched: Uint32Array
  /** Permissions that some user loses in every division. */
  readonly #lost: Uint32Array
  /** Users whose grants change: for them the matrix does not say what is held after. */
  readonly #changed = new Map<number, SubjectChange>()
  #users = 0
  #clients = 0
  #grantsAdded = 0
  #grantsRemoved = 0

  constructor(options: TallyOptions) {
    const { matrix, world, rules } = options
    this.#options = options
    this.#context = grantContext(matrix)
    this.#conflicts = new ConflictTally(rules)
    this.#licences = new LicenceTally(matrix, world.editedRole)
    const { projection } = world
    const undivided = projection.cut(undividedPermissions(matrix))
    const readerOf = (rows: RoleRows): PermissionReader => {
      return new PermissionReader(matrix, projection.cutRows(rows, matrix.roleCount), undivided)
    }
    this.#readers = { before: readerOf(world.before), after: readerOf(world.after) }
    this.#room = { before: this.#readers.before.room(), after: this.#readers.after.room() }
    this.#administration = ROLE_ADMINISTRATION.map((code) => {
      const permission = matrix.findPermission(code)
      return { code, bit: permission < 0 ? -1 : projection.bitOf(permission) }
    }).filter(({ bit }) => bit >= 0)
    this.#touched = new Uint32Array(projection.width)
    this.#lost = new Uint32Array(projection.width)
  }

  add(change: SubjectChange): void {
    const { matrix } = this.#options
    if (change.planned !== undefined) this.#addPlanned(change, change.planned)
    if (!isActive(matrix, change.subject)) return
    if (isClient(matrix, change.subject)) {
      if (this.#differs(change, new Uint32Array(this.#touched.length))) this.#clients += 1
      return
    }
    this.#conflicts.add(change.subject, change.before, change.after)
    this.#addKept(change)
    if (!this.#differs(change, this.#touched)) return
    this.#addLosses(change)
    const { offset, limit } = this.#options.page
    if (this.#users >= offset && this.#users < offset + limit) {
      this.#entries.push(this.#options.writer.write(change))
    }
    this.#users += 1
  }

  result(): Simulation {
    const { matrix, world, writer, page } = this.#options
    const next = page.offset + page.limit
    const lists = [this.#conflicts, this.#withoutEffect, this.#kept, this.#lockouts]
    return {
      revision: matrix.revision,
      entries: this.#entries,
      ...(next < this.#users ? { nextOffset: next } : {}),
      conflicts: this.#conflicts.items,
      withoutEffect: this.#withoutEffect.items,
      keptThroughGroups: this.#kept.items,
      lockouts: this.#lockouts.items,
      blastRadius: {
        users: this.#users,
        clients: this.#clients,
        permissions: writer.codes(world.projection.expand(this.#touched)).length,
        grantsAdded: this.#grantsAdded,
        grantsRemoved: this.#grantsRemoved,
        orphanedPermissions: writer.codes(this.#orphaned()),
      },
      licences: this.#licences.lines(),
      truncated: lists.some((list) => list.truncated),
    }
  }

  #addPlanned(
    change: SubjectChange,
    { intent, delta }: NonNullable<SubjectChange['planned']>,
  ): void {
    const { matrix, translator } = this.#options
    this.#changed.set(change.subject, change)
    this.#grantsAdded += delta.add.length
    this.#grantsRemoved += delta.remove.length
    const involved = [...delta.add, ...delta.remove]
      .map(({ roleId }) => translator.roleIndex(roleId))
      .filter((role) => role >= 0)
    this.#licences.add(involved, change.before.roles, change.after.roles)
    const userId = matrix.subjectId(change.subject)
    const idle = grantsWithoutEffect(userId, intent, change.before, translator, this.#context)
    for (const line of idle) this.#withoutEffect.add(() => line)
  }

  /** Whether anything differs; adds what does to `touched`. */
  #differs({ before, after, places }: SubjectChange, touched: Uint32Array): boolean {
    let differs = false
    for (const place of places) {
      const old = this.#readers.before.read(before, place, this.#room.before)
      const now = this.#readers.after.read(after, place, this.#room.after)
      if (addDifference(old, now, touched)) differs = true
    }
    return differs
  }

  #addKept(change: SubjectChange): void {
    if (change.dropped.length === 0 || this.#kept.truncated) return
    const { matrix, world } = this.#options
    const kept = keptThroughGroups(this.#readers.after, change)
    for (const [bit, groups] of [...kept].sort(([a], [b]) => a - b)) {
      this.#kept.add(() => ({
        userId: matrix.subjectId(change.subject),
        permission: matrix.permissionCode(world.projection.permissionOf(bit)),
        groups: [...groups].map((group) => {
          const { id, name } = matrix.group(group)
          return { id, name }
        }),
      }))
    }
  }

  #addLosses({ subject, before, after }: SubjectChange): void {
    const { matrix } = this.#options
    const old = this.#readers.before.read(before, OVERALL, this.#room.before)
    const now = this.#readers.after.read(after, OVERALL, this.#room.after)
    const lost = bitsWithout(heldBits(old), heldBits(now))
    addBits(this.#lost, lost)
    const codes = this.#administration
      .filter(({ bit }) => hasBit(lost, bit))
      .map(({ code }) => code)
    if (codes.length === 0) return
    const [userId, userName] = [matrix.subjectId(subject), matrix.subjectName(subject)]
    this.#lockouts.add(() => ({ userId, userName, permissions: codes }))
  }

  /** Of what somebody lost, what no active user's role gives any more. */
  #orphaned(): Uint32Array {
    const { matrix, world } = this.#options
    let orphaned = world.projection.expand(this.#lost)
    if (isEmptyRow(orphaned)) return orphaned
    const held = new Uint8Array(matrix.roleCount)
    for (let subject = 0; subject < matrix.subjectCount; subject++) {
      if (!isActive(matrix, subject) || isClient(matrix, subject)) continue
      const changed = this.#changed.get(subject)
      if (changed !== undefined) for (const role of changed.after.roles) held[role] = 1
      else forEachGrant(matrix, subject, (grant) => (held[grant >>> matrix.divisionBits] = 1))
    }
    for (const [role, isHeld] of held.entries()) {
      if (isHeld === 0) continue
      orphaned = bitsWithout(orphaned, world.after.given(role))
      const conditional = world.after.conditional(role)
      if (conditional !== undefined) orphaned = bitsWithout(orphaned, conditional)
    }
    return orphaned
  }
}
