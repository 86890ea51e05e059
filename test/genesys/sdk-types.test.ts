import type { Models } from 'purecloud-platform-client-v2'
import { test } from 'tap'
import type { NewUser, UserStep } from '../../src/domain/plan-user.ts'
import type { QUEUE_SETTINGS } from '../../src/domain/queue-settings.ts'
import { STATS } from '../../src/genesys/queue-aggregates.ts'

/**
 * What is read from files has the names and forms of the SDK's declarations: the compiler holds it, so
 * that a new version of the SDK cannot drift away unseen. What is sent says so where it is made.
 */

/** Names in a shape that a model does not have, at any depth. */
type Strays<Form, Model> = Form extends { kind: 'object'; fields: infer Fields }
  ? {
      [Name in keyof Fields]: Name extends keyof Model
        ? Strays<Fields[Name], NonNullable<Model[Name]>>
        : Name
    }[keyof Fields]
  : Form extends { kind: 'list'; of: infer Of }
    ? Model extends readonly (infer Item)[]
      ? Strays<Of, Item>
      : 'no list'
    : Form extends { kind: 'text' | 'choice' }
      ? string extends Model
        ? never
        : 'no text'
      : Form extends { kind: 'number' }
        ? number extends Model
          ? never
          : 'no number'
        : Form extends { kind: 'flag' }
          ? boolean extends Model
            ? never
            : 'no flag'
          : Model extends object
            ? never
            : 'no object'

type Settings = { kind: 'object'; fields: typeof QUEUE_SETTINGS }

/** What the platform alone writes, or the manifest has by another name. */
type Elsewhere =
  | 'id'
  | 'name'
  | 'division'
  | 'dateCreated'
  | 'dateModified'
  | 'modifiedBy'
  | 'createdBy'
  | 'memberCount'
  | 'userMemberCount'
  | 'joinedMemberCount'
  | 'peerId'
  | 'selfUri'

/** Compiles only where there is nothing left. */
function nothing<Left>(...left: [Left] extends [never] ? [] : [Left]): number {
  return left.length
}

type Profile = Extract<UserStep, { kind: 'profile' }>['fields']

test('manifests speak of what the SDK has, and of all that it has', async (t) => {
  t.equal(nothing<Strays<Settings, Models.QueueRequest>>(), 0)
  t.equal(nothing<Exclude<keyof Models.QueueRequest, keyof typeof QUEUE_SETTINGS | Elsewhere>>(), 0)
  t.equal(nothing<Exclude<keyof Models.Queue, keyof Models.QueueRequest>>(), 0)
})

test('users are created and changed with what the SDK has', async (t) => {
  t.equal(nothing<Exclude<keyof NewUser, keyof Models.CreateUser>>(), 0)
  t.equal(nothing<Exclude<keyof Profile, keyof Models.UpdateUser>>(), 0)
})

test('every statistic of the SDK is told, and no other', async (t) => {
  t.equal(nothing<Exclude<keyof Models.StatisticalSummary, (typeof STATS)[number]>>(), 0)
  t.equal(nothing<Exclude<(typeof STATS)[number], keyof Models.StatisticalSummary>>(), 0)
})
