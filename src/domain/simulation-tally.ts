import { CappedList } from './capped-list.ts'
import { ConflictTally } from './conflict-tally.ts'
import { EntryPage } from './entry-page.ts'
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
import { grantContext, wantedGrants } from './plan-grants.ts'
import type { GrantContext } from './plan-grants.ts'
import type { PreparedRules } from './prepare-rules.ts'
import { hasBit } from './role-rows.ts'
import type { RoleRows } from './role-rows.ts'
import { OVERALL } from './rule-breaches.ts'
import type { EntryWriter } from './simulated-entry.ts'
import type { KeptThroughGroup, Lockout, Simulation, WithoutEffect } from './simulation.ts'
import { forEachGrant, isActive, isClient } from './subject-assignments.ts'
import type { ChangedWorld, SubjectChange } from './subject-change.ts'
import { sunsetChanges } from './sunset-changes.ts'
import type { PendingSunset, SunsetChange } from './sunset-changes.ts'
import { grantsWithoutEffect } from './without-effect.ts'

export type TallyOptions = {
  readonly matrix: Matrix
  readonly world: ChangedWorld
  readonly translator: GrantTranslator
  readonly writer: EntryWriter
  readonly rules: { readonly before: PreparedRules; readonly after: PreparedRules }
  readonly pendingSunsets: readonly PendingSunset[]
  readonly page: { readonly offset: number; readonly limit: number }
}

/** Without all of these an administrator can no longer give, or give back, what roles give. */
const ROLE_ADMINISTRATION = [
  'authorization:grant:add',
  'authorization:grant:delete',
  'authorization:role:edit',
]

/**
 * Adds up what a change does to one subject after the other. Whom applying would skip for a rule's
 * sake keeps what is held now, in every sum.
 */
export class SimulationTally {
  readonly #options: TallyOptions
  readonly #context: GrantContext
  readonly #entries: EntryPage
  readonly #conflicts: ConflictTally
  readonly #licences: LicenceTally
  readonly #withoutEffect = new CappedList<WithoutEffect>()
  readonly #kept = new CappedList<KeptThroughGroup>()
  readonly #lockouts = new CappedList<Lockout>()
  readonly #sunsets = new CappedList<SunsetChange>()
  readonly #pendingSunsets: ReadonlyMap<string, readonly PendingSunset[]>
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
  #blockedUsers = 0
  #clients = 0
  #grantsAdded = 0
  #grantsRemoved = 0

  constructor(options: TallyOptions) {
    const { matrix, world, rules } = options
    this.#options = options
    this.#context = grantContext(matrix)
    this.#entries = new EntryPage(options.page)
    this.#pendingSunsets = Map.groupBy(options.pendingSunsets, ({ userId }) => userId)
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
    const { matrix, writer } = this.#options
    const { subject, before, after, planned } = change
    const active = isActive(matrix, subject)
    const client = isClient(matrix, subject)
    // Applying asks the rules for users who are not active, too.
    const asked = planned !== undefined || (active && !client)
    const blocked = asked && this.#conflicts.add(subject, before, after) && planned !== undefined
    if (blocked) this.#blockedUsers += 1
    if (planned !== undefined) this.#addPlanned(change, planned, blocked)
    if (!active) return
    if (client) {
      if (this.#differs(change, this.#scratch())) this.#clients += 1
      return
    }
    if (!blocked) this.#addKept(change)
    if (!this.#differs(change, blocked ? this.#scratch() : this.#touched)) return
    this.#entries.offer(() => writer.write(change, blocked))
    if (blocked) return
    this.#addLosses(change)
    this.#users += 1
  }

  /** Room for differences that count nowhere. */
  #scratch(): Uint32Array {
    return new Uint32Array(this.#touched.length)
  }

  result(): Simulation {
    const { matrix, world, writer } = this.#options
    const { entries, nextOffset } = this.#entries
    const lists = [this.#conflicts, this.#withoutEffect, this.#kept, this.#lockouts, this.#sunsets]
    return {
      revision: matrix.revision,
      entries,
      ...(nextOffset === undefined ? {} : { nextOffset }),
      conflicts: this.#conflicts.items,
      withoutEffect: this.#withoutEffect.items,
      keptThroughGroups: this.#kept.items,
      lockouts: this.#lockouts.items,
      sunsets: this.#sunsets.items,
      blockedUsers: this.#blockedUsers,
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
    blocked: boolean,
  ): void {
    const { matrix, translator } = this.#options
    const { subject, before } = change
    const after = blocked ? before : change.after
    const userId = matrix.subjectId(subject)
    const involved = [...delta.add, ...delta.remove]
      .map(({ roleId }) => translator.roleIndex(roleId))
      .filter((role) => role >= 0)
    this.#licences.add(involved, before.roles, after.roles)
    const kept = wantedGrants(intent, this.#context)
    const pending = this.#pendingSunsets.get(userId) ?? []
    const sunsets = sunsetChanges(userId, intent, pending, kept, delta.remove)
    const held = { before, sunsets }
    const idle = grantsWithoutEffect(userId, intent, held, translator, this.#context)
    for (const line of idle) this.#withoutEffect.add(() => line)
    if (blocked) return
    this.#changed.set(subject, change)
    this.#grantsAdded += delta.add.length
    this.#grantsRemoved += delta.remove.length
    for (const sunset of sunsets) this.#sunsets.add(() => sunset)
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

  #addLosses(change: SubjectChange): void {
    const { matrix } = this.#options
    const codes = new Set<string>()
    const places = this.#administration.length === 0 ? [OVERALL] : [OVERALL, matrix.divisionMask]
    for (const place of places) {
      const old = this.#readers.before.read(change.before, place, this.#room.before)
      const now = this.#readers.after.read(change.after, place, this.#room.after)
      const lost = bitsWithout(heldBits(old), heldBits(now))
      if (place === OVERALL) addBits(this.#lost, lost)
      const narrowed = bitsWithout(old.given, now.given)
      for (const { code, bit } of this.#administration) {
        if (hasBit(lost, bit) || hasBit(narrowed, bit)) codes.add(code)
      }
    }
    if (codes.size === 0) return
    const userId = matrix.subjectId(change.subject)
    const userName = matrix.subjectName(change.subject)
    const permissions = ROLE_ADMINISTRATION.filter((code) => codes.has(code))
    this.#lockouts.add(() => ({ userId, userName, permissions }))
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
