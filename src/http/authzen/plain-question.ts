import { MAX_EVALUATIONS } from './authzen-schemas.ts'
import { MAX_TEXT_LENGTH } from './entities.ts'
import type { Question } from './entities.ts'

/**
 * Questions in the form in which the standard writes them and clients made from its schema send
 * them: types, ids and a name, in its order and nothing else, in ASCII that needs no escape, with or
 * without a blank after commas and colons. One expression reads them in a fraction of the time that
 * a parser, a search for members of one name and a look at each entity take; what it takes has none
 * of the faults that those look for. Any other question is theirs to read.
 */
const FORM = JSON.stringify({
  subject: { type: '', id: '' },
  action: { name: '' },
  resource: { type: '', id: '' },
})
const BLANK_AFTER = /(?<=[,:])/g
/** Without an upper bound, which would have each character counted: that takes twice as long. */
const TEXT = '"([ !#-[\\]-~]+)"'

const QUESTION = expressionOf(FORM)
const BEGINNING = expressionOf('{"evaluations":[')
const COMMA = expressionOf(',')
const ENDING = ']}'

function expressionOf(form: string): RegExp {
  const source = form.replace(/[[{}]/g, '\\$&').replace(BLANK_AFTER, ' ?')
  return new RegExp(
    source.replaceAll('""', () => TEXT),
    'y',
  )
}

/** The question of a body; undefined where it has another form. */
export function readPlainQuestion(body: Buffer): Question | undefined {
  const text = body.toString('latin1')
  const question = questionAt(text, 0)
  return QUESTION.lastIndex === text.length ? question : undefined
}

/** The questions of a body that holds nothing else; undefined where any has another form. */
export function readPlainQuestions(body: Buffer): Question[] | undefined {
  const text = body.toString('latin1')
  const questions: Question[] = []
  for (let at = endOf(BEGINNING, text, 0); at > 0;) {
    const question = questionAt(text, at)
    if (question === undefined || questions.length === MAX_EVALUATIONS) return undefined
    questions.push(question)
    const end = QUESTION.lastIndex
    at = endOf(COMMA, text, end)
    if (at === 0 && text.slice(end) === ENDING) return questions
  }
  return undefined
}

/** Where what an expression finds at a position ends; 0 where it finds nothing. */
function endOf(expression: RegExp, text: string, at: number): number {
  expression.lastIndex = at
  expression.test(text)
  return expression.lastIndex
}

function questionAt(text: string, at: number): Question | undefined {
  QUESTION.lastIndex = at
  const found = QUESTION.exec(text)
  if (found === null) return undefined
  const subjectType = found[1] as string
  const subjectId = found[2] as string
  const action = found[3] as string
  const resourceType = found[4] as string
  const divisionId = found[5] as string
  const fits =
    subjectType.length <= MAX_TEXT_LENGTH &&
    subjectId.length <= MAX_TEXT_LENGTH &&
    action.length <= MAX_TEXT_LENGTH &&
    resourceType.length <= MAX_TEXT_LENGTH &&
    divisionId.length <= MAX_TEXT_LENGTH
  if (!fits) return undefined
  return {
    subjectType,
    subjectId,
    action,
    resourceType,
    divisionId,
    scopes: undefined,
    explain: true,
  }
}
