import type { Fault } from '../domain/failure.ts'
import { EXIT } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import { readList, reader } from './service-answer.ts'
import type { Reader } from './service-answer.ts'
import type { Session } from './session.ts'

type Validation = {
  readonly valid: boolean
  readonly errors: readonly Fault[]
  readonly warnings: readonly Fault[]
}

type Finding = Fault & { readonly severity: 'error' | 'warning' }

const readMembers = reader({ valid: 'boolean', errors: 'list', warnings: 'list' })
const readFault = reader({ field: 'string', message: 'string', suggestion: 'string?' })

/** What the service found in something that was not created. */
export const readValidation: Reader<Validation> = (answer, where) => {
  const validation = readMembers(answer, where)
  readList([...validation.errors, ...validation.warnings], `a finding of ${where}`, readFault)
  return validation as unknown as Validation
}

/** Prints every finding at its place, `entries/3/ipAddress`; exit code 1 for a fault. */
export async function tellValidation(session: Session, validation: Validation): Promise<ExitCode> {
  const { valid, errors, warnings } = validation
  const findings: readonly Finding[] = [
    ...errors.map((fault) => ({ severity: 'error' as const, ...fault })),
    ...warnings.map((fault) => ({ severity: 'warning' as const, ...fault })),
  ]
  const { output } = session
  if (output.format === 'json') await output.document(validation, { columns: [] })
  else {
    await output.rows(findings, [
      { name: 'severity', value: ({ severity }) => severity },
      { name: 'field', value: ({ field }) => field, whole: true },
      { name: 'message', value: ({ message }) => message, wrap: true },
      { name: 'suggestion', value: ({ suggestion }) => suggestion, whole: true },
    ])
    if (findings.length === 0) await session.note('nothing is at fault')
  }
  return valid ? EXIT.done : EXIT.denied
}

const readWarned = reader({ warnings: 'list' })

/** Tells what is allowed but may not be meant. */
export async function noteWarnings(session: Session, answer: unknown): Promise<void> {
  const { warnings } = readWarned(answer, 'the answer')
  for (const { field, message } of readList(warnings, 'a warning', readFault)) {
    await session.note(`warning: ${field}: ${message}`)
  }
}
