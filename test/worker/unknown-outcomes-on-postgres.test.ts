import tap from 'tap'
import { startPostgres } from '../store/support/postgres-server.ts'
import { testUnknownOutcomes } from './support/unknown-outcomes-contract.ts'

const server = await startPostgres()
tap.teardown(() => server[Symbol.asyncDispose]())

testUnknownOutcomes((t) => server.createDatabase(t))
