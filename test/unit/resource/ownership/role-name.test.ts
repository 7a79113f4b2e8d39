import { expect, it } from 'vitest'
import { readOwned } from '../../../../src/engine/plan/orphans.ts'
import { recordHead, recordPath } from '../../../../src/resource/ownership/record.ts'

it.each([
  ['nginx', 'nginx'],
  ['small tools', 'small tools'],
  ['100%', '100%'],
  ['redis', 'redis'],
  ['redis/sentinel', 'redis%2Fsentinel'],
  ['@acme/redis', '%40acme%2Fredis'],
  ['@acme/redis/redis', '%40acme%2Fredis%2Fredis'],
  ['redis.new', 'redis%2Enew'],
])('the record of role %s is the file %s, and is read as that of the role', (role, name) => {
  expect(recordPath(role)).toBe(`/var/lib/provision/owned/${name}`)
  const lines = [recordHead([]).trim(), 'file:/etc/motd'].map((line) => `${recordPath(role)}:${line}\n`)
  expect([...readOwned('h', lines.join(''))].map(([of, { lines: owned }]) => [of, owned.map(({ key }) => key)])).toEqual([
    [role, ['file:/etc/motd']],
  ])
})
