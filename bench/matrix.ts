import { buildMatrix } from '../src/domain/build-matrix.ts'
import { ALLOWED, decide, evaluate } from '../src/domain/evaluate.ts'
import { ANY_DIVISION, Matrix } from '../src/domain/matrix.ts'
import { FULL_SIZE, generateFacts } from './organization.ts'
import { median } from './processes.ts'
import { pick, seededRandom } from './random.ts'

/**
 * In process, one thread: the matrix against a `Map<userId, Set<permission>>` of the undivided
 * answers, on questions whose strings come fresh from a JSON parser. Prints one JSON object.
 * Argument: number of users; `map` as second argument also measures the Map.
 */

const QUESTIONS = 200_000
/** Parsed together, as the body of one request. */
const BATCH = 1_000
const ROUNDS = 24
/** Until the code is compiled for good. */
const WARM_UP_ROUNDS = 3

type Question = readonly [userId: string, permission: string, divisionId: string]

const users = Number(process.argv[2] ?? FULL_SIZE.users)
const facts = generateFacts({ ...FULL_SIZE, users })
const startedBuilding = performance.now()
const buffer = buildMatrix(facts)
const buildSeconds = (performance.now() - startedBuilding) / 1_000
const matrix = new Matrix(buffer)
const questions = writeQuestions(matrix)

const answers = process.argv[3] === 'map' ? buildMap(matrix) : undefined
const measures = {
  matrix: (q: Question) => evaluate(matrix, q[0], q[1]) === ALLOWED,
  divided: (q: Question) => evaluate(matrix, q[0], q[1], q[2]) === ALLOWED,
  ...(answers ? { map: (q: Question) => answers.map.get(q[0])?.has(q[1]) ?? false } : {}),
}
process.stdout.write(
  JSON.stringify({
    users,
    bytes: buffer.byteLength,
    buildSeconds,
    ...(answers ? { mapBytes: answers.bytes } : {}),
    ...measureAll(measures),
  }),
)

function writeQuestions(source: Matrix): string[] {
  const random = seededRandom(2)
  const codes = [...source.permissionCodes()]
  const divisionIds = facts.divisions.map((division) => division.id)
  return Array.from({ length: QUESTIONS }, () => {
    const subject = Math.floor(random() * source.subjectCount)
    return JSON.stringify([
      source.subjectId(subject),
      pick(codes, random),
      pick(divisionIds, random),
    ])
  })
}

function buildMap(source: Matrix): { map: Map<string, Set<string>>; bytes: number } {
  const codes = [...source.permissionCodes()]
  const before = heapUsed()
  const map = new Map<string, Set<string>>()
  for (let subject = 0; subject < source.subjectCount; subject++) {
    const held = codes.filter((_, code) => decide(source, subject, code, ANY_DIVISION) === ALLOWED)
    map.set(source.subjectId(subject), new Set(held))
  }
  return { map, bytes: heapUsed() - before }
}

function heapUsed(): number {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

/**
 * Nanoseconds a question, medians of rounds in which the candidates take turns, and how much faster
 * than the Map: the median of the ratios within a round, where both met the same machine. Questions
 * are parsed a batch at a time just before they are asked, and only asking counts.
 */
function measureAll(candidates: Readonly<Record<string, (question: Question) => boolean>>) {
  const rounds: Record<string, number>[] = []
  for (let round = 0; round < ROUNDS + WARM_UP_ROUNDS; round++) {
    const figures = Object.entries(candidates).map(([name, ask]) => [name, measureRound(ask)])
    if (round >= WARM_UP_ROUNDS) rounds.push(Object.fromEntries(figures) as Record<string, number>)
  }
  const of = (figure: (round: Record<string, number>) => number): number =>
    median(rounds.map(figure))
  return {
    nanoseconds: {
      matrix: of((round) => round['matrix'] ?? NaN),
      divided: of((round) => round['divided'] ?? NaN),
    },
    faster: {
      matrix: of((round) => (round['map'] ?? NaN) / (round['matrix'] ?? NaN)),
      divided: of((round) => (round['map'] ?? NaN) / (round['divided'] ?? NaN)),
    },
  }
}

function measureRound(ask: (question: Question) => boolean): number {
  let allowed = 0
  const times: number[] = []
  for (let first = 0; first < questions.length; first += BATCH) {
    const batch = questions.slice(first, first + BATCH).map((text) => JSON.parse(text) as Question)
    const start = performance.now()
    for (const question of batch) if (ask(question)) allowed += 1
    times.push(performance.now() - start)
  }
  if (allowed === 0) throw new Error('the questions are all denied')
  // Of the median batch: where the machine did something else, single batches took many times as long.
  return (median(times) * 1e6) / BATCH
}
