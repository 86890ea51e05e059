import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildMatrix } from '../src/domain/build-matrix.ts'
import type { Facts } from '../src/domain/facts.ts'
import { Matrix } from '../src/domain/matrix.ts'
import { searchSubjects } from '../src/domain/search.ts'
import { BATCH_SIZE, HEADERS, order, requestRate, ROUNDS, singleRequests } from './http.ts'
import type { Target } from './http.ts'
import { FULL_SIZE, generateFacts } from './organization.ts'
import { median, SERVER_CORE, stopProcess } from './processes.ts'
import { pick, seededRandom } from './random.ts'
import { placeSnapshot, startServiceProcess } from './service-process.ts'

export type AuthzenFigures = {
  /** Requests a second of the server's processor time, medians of alternating runs. */
  readonly evaluation: number
  /** Medians of the ratios within a round. */
  readonly evaluationToCheck: number
  /** Answers without paths, which a plain check does not give either. */
  readonly unexplainedToCheck: number
  /** Decisions a second against single evaluations. */
  readonly batchToEvaluation: number
  /** Everybody who may do something, found among 100,000 users: milliseconds, the median permission. */
  readonly whoCanMs: number
}

type Candidate = 'check' | 'evaluation' | 'unexplained' | 'batch'

/** AuthZEN over HTTP, from a snapshot of 100,000 users, against the service's own check. */
export async function measureAuthzen(): Promise<AuthzenFigures> {
  const facts = generateFacts(FULL_SIZE)
  const whoCanMs = measureWhoCan(facts)
  const dataDir = await mkdtemp(join(tmpdir(), 'bench-'))
  await placeSnapshot(dataDir, facts)
  const service = await startServiceProcess(dataDir, { core: SERVER_CORE })
  const { checkPort: port } = service
  const { pid } = service.child
  const targets: Record<Candidate, Target> = {
    check: { order: order(port, singleRequests(facts)), pid },
    evaluation: { order: order(port, evaluations(facts)), pid },
    unexplained: { order: order(port, evaluations(facts, UNEXPLAINED)), pid },
    batch: { order: order(port, batches(facts), 4), pid },
  }
  try {
    return { ...(await alternate(targets)), whoCanMs }
  } finally {
    await stopProcess(service.child)
    await rm(dataDir, { recursive: true, force: true })
  }
}

async function alternate(
  targets: Readonly<Record<Candidate, Target>>,
): Promise<Omit<AuthzenFigures, 'whoCanMs'>> {
  const rounds: Record<Candidate, number>[] = []
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push({
      check: await requestRate(targets.check),
      evaluation: await requestRate(targets.evaluation),
      unexplained: await requestRate(targets.unexplained),
      batch: (await requestRate(targets.batch)) * BATCH_SIZE,
    })
  }
  const of = (figure: (round: Record<Candidate, number>) => number): number =>
    median(rounds.map(figure))
  return {
    evaluation: of((round) => round.evaluation),
    evaluationToCheck: of((round) => round.evaluation / round.check),
    unexplainedToCheck: of((round) => round.unexplained / round.check),
    batchToEvaluation: of((round) => round.batch / round.evaluation),
  }
}

const UNEXPLAINED = { context: { options: { explain: false } } }

function question(facts: Facts, random: () => number) {
  const { domain, entity, action } = pick(facts.permissions, random)
  return {
    subject: { type: 'user', id: pick(facts.subjects, random).id },
    action: { name: action },
    resource: { type: `${domain}:${entity}`, id: pick(facts.divisions, random).id },
  }
}

function evaluations(facts: Facts, more: object = {}): string[] {
  const random = seededRandom(6)
  return Array.from({ length: 2_000 }, () => {
    return post('/access/v1/evaluation', { ...question(facts, random), ...more })
  })
}

function batches(facts: Facts): string[] {
  const random = seededRandom(7)
  return Array.from({ length: 50 }, () => {
    const items = Array.from({ length: BATCH_SIZE }, () => question(facts, random))
    return post('/access/v1/evaluations', { evaluations: items })
  })
}

function post(path: string, content: object): string {
  const body = JSON.stringify(content)
  const length = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`
  return `POST ${path} HTTP/1.1\r\n${HEADERS}${length}\r\n${body}`
}

function measureWhoCan(facts: Facts): number {
  const matrix = new Matrix(buildMatrix(facts))
  const random = seededRandom(8)
  const times = Array.from({ length: 100 }, () => {
    const permission = Math.floor(random() * matrix.permissionCount)
    const division = matrix.findDivision(pick(facts.divisions, random).id)
    const started = performance.now()
    findAll(matrix, permission, division)
    return performance.now() - started
  })
  return median(times)
}

function findAll(matrix: Matrix, permission: number, division: number): string[] {
  const found: string[] = []
  const question = { kind: 'user' as const, permission, division, scopes: undefined }
  for (let from: number | undefined = 0; from !== undefined;) {
    const page = searchSubjects(matrix, question, { from, limit: 1_000 })
    found.push(...page.items)
    from = page.next
  }
  return found
}
