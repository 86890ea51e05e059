import { findEmails, foldEmail } from './find-emails.ts'
import type { Matrix } from './matrix.ts'
import type { LookedUp } from './name-lookup.ts'

/**
 * Finds users whose roles may be changed by id, else by email without regard to case. Emails are
 * read from all subjects, once, and only when one of the texts is no id.
 */
export class UserLookup {
  readonly #matrix: Matrix
  /** Folded email → the subjects that have it, for the emails asked for. */
  readonly #byEmail: ReadonlyMap<string, readonly number[]>

  /** `texts` are all that will be asked for. */
  constructor(matrix: Matrix, texts: readonly string[]) {
    this.#matrix = matrix
    const emails = texts.filter((text) => text.includes('@') && matrix.findSubject(text) < 0)
    this.#byEmail = findEmails(matrix, new Set(emails.map(foldEmail)))
  }

  find(text: string): LookedUp {
    const subject = this.#matrix.findSubject(text)
    if (subject >= 0) return this.#changeable(subject, text)
    const found = this.#byEmail.get(foldEmail(text)) ?? []
    // An address outlives its deleted user and may be given to another.
    const living = found.filter((index) => this.#matrix.subject(index).state !== 'deleted')
    const [only] = living.length > 0 ? living : found
    if (only === undefined) return { fault: () => this.#unknown(text) }
    if (living.length < 2) return this.#changeable(only, text)
    return { fault: () => `${living.length} users have the email ${text}: name the one by its id` }
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
    for (let index = 0; index < this.#matrix.groupCount; index++) {
      const { id, name } = this.#matrix.group(index)
      if (id === text || name === text) {
        return `${text} is a group: roles of groups are not changed here`
      }
    }
    return `no user has the id or email ${text}`
  }
}
