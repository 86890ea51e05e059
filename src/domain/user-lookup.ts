import { findEmails, foldEmail, ownersOf } from './find-emails.ts'
import type { EmailOwners } from './find-emails.ts'
import type { Matrix } from './matrix.ts'
import type { LookedUp } from './name-lookup.ts'

/** Of texts that name users: the emails among them, folded. */
export function emailsAmong(matrix: Matrix, texts: readonly string[]): ReadonlySet<string> {
  const emails = texts.filter((text) => text.includes('@') && matrix.findSubject(text) < 0)
  return new Set(emails.map(foldEmail))
}

/**
 * Finds users whose roles may be changed by id, else by email without regard to case. Emails are
 * read from all subjects, once, and only when one of the texts is no id.
 */
export class UserLookup {
  readonly #matrix: Matrix
  /** Folded email → the subjects that have it, for the emails asked for. */
  readonly #byEmail: EmailOwners
  /** Ids and names of all groups, once one of the texts is unknown. */
  #groups: ReadonlySet<string> | undefined

  /**
   * @param texts all that will be asked for
   * @param byEmail where whoever calls has found the owners of {@link emailsAmong} them already
   */
  constructor(
    matrix: Matrix,
    texts: readonly string[],
    byEmail: EmailOwners = findEmails(matrix, emailsAmong(matrix, texts)),
  ) {
    this.#matrix = matrix
    this.#byEmail = byEmail
  }

  find(text: string): LookedUp {
    const subject = this.#matrix.findSubject(text)
    if (subject >= 0) return this.#changeable(subject, text)
    const owners = ownersOf(this.#matrix, this.#byEmail.get(foldEmail(text)) ?? [])
    const [only] = owners
    if (only === undefined) return { fault: () => this.#unknown(text) }
    if (owners.length === 1) return this.#changeable(only, text)
    return { fault: () => `${owners.length} users have the email ${text}: name the one by its id` }
  }

  #changeable(index: number, text: string): LookedUp {
    const { id, kind, state } = this.#matrix.subject(index)
    if (kind === 'client') {
      return { fault: () => `${text} is an OAuth client: its roles are not changed here` }
    }
    if (state === 'active') return { id }
    return { fault: () => `${text} is ${state}: the platform drops roles of ${state} users` }
  }

  #unknown(text: string): string {
    this.#groups ??= this.#readGroups()
    return this.#groups.has(text)
      ? `${text} is a group: roles of groups are not changed here`
      : `no user has the id or email ${text}`
  }

  #readGroups(): Set<string> {
    const found = new Set<string>()
    for (let index = 0; index < this.#matrix.groupCount; index++) {
      const { id, name } = this.#matrix.group(index)
      found.add(id).add(name)
    }
    return found
  }
}
