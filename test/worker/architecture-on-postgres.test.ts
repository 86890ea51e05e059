import tap from 'tap'
import { startPostgres } from '../store/support/postgres-server.ts'
import { testArchitecture } from './support/architecture-contract.ts'

const server = await startPostgres()
tap.teardown(() => server[Symbol.asyncDispose]())

testArchitecture((t) => server.createDatabase(t))
