import type { World } from '../../../simulator/world.ts'
import { naiveOutcome } from '../../genesys/naive-outcome.ts'
import type { Question } from './caller.ts'

/** Every user, every permission and every division of a world, and nowhere in particular. */
export function allQuestions(world: World): Question[] {
  const codes = [
    ...world.catalogue.map(({ domain, entity, action }) => `${domain}:${entity}:${action}`),
    ...[...world.roles.values()].flatMap((role) => role.permissions),
    'routing:queue:fly',
  ]
  const places = [undefined, ...world.divisions.keys(), 'no division']
  return world.users('any').flatMap(({ id: userId }) => {
    return codes.flatMap((permission) => {
      return places.map((divisionId) => ({ userId, permission, divisionId }))
    })
  })
}

/** What the world's own records answer. */
export function readOutcome(world: World, question: Question): string {
  const user = world.user(question.userId)
  if (user === undefined) return 'unknown_user'
  return naiveOutcome(world, user, question.permission, question.divisionId)
}
