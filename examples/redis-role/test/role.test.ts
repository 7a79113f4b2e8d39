import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planRole } from 'provision/testing'
import role from '../src/role.ts'

const files = { './files/redis.conf': 'save ""\n' }

test('a bare host gets the package, its configuration, a unit and the service, in this order', () => {
  const { changes } = planRole(role, { options: { memory: '1gb' }, files })
  assert.deepEqual(
    changes.map(({ resource }) => resource),
    [
      'package:redis-server',
      'file:/etc/redis/base.conf',
      'file:/etc/redis/cache.conf',
      'unit:redis-cache.service',
      'service:redis-cache.service',
    ],
  )
  assert.equal(changes[2]?.text, 'include /etc/redis/base.conf\nport 6380\nmaxmemory 1gb\n')
})

test('a size without a unit is an error', () => {
  assert.throws(() => planRole(role, { options: { memory: '64' }, files }), /256mb/)
})
