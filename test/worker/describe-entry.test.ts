import { test } from 'tap'
import type { AuditEntry } from '../../src/domain/audit.ts'
import type { OrganizationNames } from '../../src/domain/organization-names.ts'
import { describeEntry } from '../../src/worker/describe-entry.ts'

const TODAY: OrganizationNames = {
  user: (id) => `${id} of today`,
  role: (id) => (id === 'gone' ? undefined : `${id} of today`),
  division: (id) => `${id} of today`,
  group: (id) => (id === 'gone' ? undefined : `${id} of today`),
}

function entry(more: Partial<AuditEntry>): AuditEntry {
  return {
    action: 'drift',
    outcome: 'succeeded',
    actor: 'platform',
    requestId: '',
    userId: 'dan',
    subjectId: 'r1',
    before: null,
    after: null,
    details: {},
    sequence: 1,
    time: '2026-01-01T00:00:00.000Z',
    previousHash: '',
    hash: '',
    ...more,
  }
}

test('a row has the names that the entry recorded, else those of today, else ids', async (t) => {
  const grants = ['agent', 'writer', 'gone'].map((roleId) => ({ roleId, divisionId: 'sales' }))
  const names = { user: 'Dan Then', roles: { agent: 'Agent Then' }, divisions: { sales: 'Sales' } }
  const row = describeEntry(entry({ before: { grants }, details: { names } }), TODAY)
  t.equal(row['userName'], 'Dan Then')
  t.same(row['before'], ['Agent Then in Sales', 'writer of today in Sales', 'gone in Sales'])
  t.equal(row['details'], '')
  const bare = describeEntry(entry({ before: { grants } }), TODAY)
  t.equal(bare['userName'], 'dan of today')
  t.same(bare['before'], [
    'agent of today in sales of today',
    'writer of today in sales of today',
    'gone in sales of today',
  ])
})

test('drift of a user reads as states, roles and groups', async (t) => {
  const row = describeEntry(
    entry({
      before: { state: 'active', grants: [], groupIds: ['team'] },
      after: {
        state: 'inactive',
        grants: [{ roleId: 'agent', divisionId: 'sales' }],
        groupIds: ['gone', 'crew'],
      },
      details: { kinds: ['grant_added'], names: { groups: { team: 'The Team' } } },
    }),
    TODAY,
  )
  t.same(row['before'], ['state: active', 'no grants', 'member of The Team'])
  t.same(row['after'], [
    'state: inactive',
    'agent of today in sales of today',
    'member of gone',
    'member of crew of today',
  ])
  t.equal(row['details'], 'kinds: grant_added')
})

test('drift of groups and roles, and conflicts, read as sentences', async (t) => {
  const group = { what: 'group', id: 'team', name: 'The Team' }
  const row = describeEntry(
    entry({
      details: {
        entries: [
          { kind: 'grant_added', ...group, roleId: 'agent', divisionId: 'sales' },
          { kind: 'group_changed', ...group, detail: 'removed' },
          { kind: 'role_changed', what: 'role', id: 'agent', name: 'Agent' },
        ],
        conflicts: [{ rule: 'x', message: 'the roles A and B exclude each other' }],
      },
    }),
    TODAY,
  )
  t.equal(
    row['details'],
    'entries: grant_added: group The Team (agent of today in sales of today), ' +
      'group_changed: group The Team (removed), role_changed: role Agent; ' +
      'conflicts: the roles A and B exclude each other',
  )
})
