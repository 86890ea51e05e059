import { ARCHITECTURE } from './architecture-operations.ts'
import { type Contract, readContract } from './contract.ts'
import { type ContractCall, contractCalls, prepareIds } from './contract-calls.ts'
import { generateWorld } from './generate-world.ts'
import type { Operation } from './operation.ts'
import { operations as allOperations } from './operations.ts'
import { startSimulator } from './server.ts'
import { DEFAULT_CLIENT, type SimulatedClient } from './simulated-client.ts'
import { smallWorld } from './small-world.ts'
import type { World } from './world.ts'

const POWERLESS: SimulatedClient = {
  id: 'c11e0000-0000-4000-8000-00000000dead',
  secret: 'powerless',
  name: 'Powerless',
}

/** The architecture API is not the vendor's; queues and analytics are not in the extract of it. */
const ELSEWHERE = [ARCHITECTURE, '/api/v2/routing/', '/api/v2/analytics/']

const operations = allOperations.filter(
  ({ path }) => !ELSEWHERE.some((start) => path.startsWith(start)),
)

interface Row {
  readonly operation: string
  answers: number
  violations: number
}

async function login(url: string, client: SimulatedClient): Promise<string> {
  const basic = Buffer.from(`${client.id}:${client.secret}`).toString('base64')
  const response = await fetch(`${url}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${basic}` },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  })
  const body = (await response.json()) as { access_token: string }
  return body.access_token
}

/** Whether the operation and its parameters are the vendor's at all. */
function placeViolations(contract: Contract, operation: Operation): string[] {
  const known = contract.operation(operation.method, operation.path)
  if (known === undefined) return ['the contract has no such operation']
  const names = (known.parameters ?? []).filter(({ in: place }) => place === 'query')
  return (operation.query ?? [])
    .filter((name) => !names.some((candidate) => candidate.name === name))
    .map((name) => `the contract has no query parameter ${name}`)
}

async function answer(
  baseUrl: string,
  call: ContractCall,
  tokens: Readonly<Record<'full' | 'powerless', string>>,
): Promise<{ status: number; body: string; correlation: string | null }> {
  const response = await fetch(baseUrl + call.url, {
    method: call.operation.method,
    headers: {
      ...(call.caller !== 'nobody' && { authorization: `Bearer ${tokens[call.caller]}` }),
      ...(call.body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(call.body !== undefined && { body: JSON.stringify(call.body) }),
  })
  const correlation = response.headers.get('inin-correlation-id')
  return { status: response.status, body: await response.text(), correlation }
}

function answerViolations(
  contract: Contract,
  call: ContractCall,
  given: Awaited<ReturnType<typeof answer>>,
): string[] {
  const { method, path } = call.operation
  const found = [...contract.judge(method, path, given.status, given.body)]
  if (given.status !== call.status) found.push(`status ${given.status} instead of ${call.status}`)
  if (given.status >= 400 && JSON.parse(given.body).contextId !== given.correlation) {
    found.push('contextId and ININ-Correlation-Id differ')
  }
  return found
}

async function checkWorld(
  contract: Contract,
  world: World,
  report: (operation: Operation, url: string, violations: readonly string[]) => void,
): Promise<void> {
  const clients = [DEFAULT_CLIENT, POWERLESS]
  const simulator = await startSimulator({ world, clients, requestsPerMinute: 0 })
  try {
    const tokens = {
      full: await login(simulator.url, DEFAULT_CLIENT),
      powerless: await login(simulator.url, POWERLESS),
    }
    const calls = contractCalls(operations, prepareIds(simulator))
    for (const call of calls) {
      const given = await answer(simulator.url, call, tokens)
      report(call.operation, call.url, answerViolations(contract, call, given))
    }
    simulator.setRequestsPerMinute(1)
    const limited = { ...calls[0], caller: 'powerless', status: 429 } as ContractCall
    await answer(simulator.url, limited, tokens)
    const refused = await answer(simulator.url, limited, tokens)
    report(limited.operation, '(too often)', answerViolations(contract, limited, refused))
  } finally {
    await simulator.close()
  }
}

async function main(file: string | undefined): Promise<void> {
  if (file === undefined) throw new Error('usage: npm run contract -- PATH-OF-THE-DEFINITION')
  const contract = readContract(file)
  const rows = new Map<string, Row>()
  const problems = new Set<string>()
  const report = (operation: Operation, url: string, violations: readonly string[]): void => {
    const name = `${operation.method} ${operation.path}`
    const row = rows.get(name) ?? { operation: name, answers: 0, violations: 0 }
    rows.set(name, row)
    if (url !== '') row.answers += 1
    row.violations += violations.length
    for (const violation of violations) problems.add(`${name} ${url}: ${violation}`)
  }
  for (const operation of operations) report(operation, '', placeViolations(contract, operation))
  await checkWorld(contract, smallWorld(), report)
  const generated = generateWorld({ seed: 1, users: 300, accessPolicies: 3 })
  await checkWorld(contract, generated, report)
  console.table([...rows.values()])
  for (const problem of problems) console.error(problem)
  console.log(`${rows.size} operations, ${problems.size} violations`)
  if (problems.size > 0) process.exitCode = 1
}

await main(process.argv[2])
