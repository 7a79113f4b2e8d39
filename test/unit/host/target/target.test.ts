import { expect, test } from 'vitest'
import type { Connection } from '../../../../src/host/target/connection.ts'
import { resolveTarget } from '../../../../src/host/target/target.ts'
import { Secret } from '../../../../src/secret/secret.ts'

const connection: Connection = {
  ...{
    address: 'no-such-alias.invalid',
    port: 2222,
    user: 'jane',
    keys: ['/keys/mine'],
    knownHosts: ['/known'],
    hostKeys: 'accept-new',
    jump: ['gate'],
  },
}

test('a host with an address has the settings of the inventory only', async () => {
  expect(await resolveTarget('web-01', connection)).toEqual({ ...connection, name: 'web-01' })
})

test('a host without an address has those of ssh, except what the inventory sets', async () => {
  const written = ['port', 'user', 'keys', 'knownHosts', 'hostKeys', 'jump'] as const
  const all = await resolveTarget('no-such-alias.invalid', { ...connection, viaSshConfig: true, written })
  expect(all).toMatchObject({ ...connection, name: 'no-such-alias.invalid' })
  // Key files of the inventory are the only keys that are tried.
  expect(all.agentKeys).toBeUndefined()
  const secrets = { passphrase: new Secret('open sesame'), sudoPassword: new Secret('let me in') }
  expect(await resolveTarget('no-such-alias.invalid', { ...connection, ...secrets, viaSshConfig: true })).toMatchObject(secrets)
  const some = await resolveTarget('no-such-alias.invalid', { ...connection, viaSshConfig: true, written: ['user'] })
  expect(some).toMatchObject({ user: 'jane', port: 22, agentKeys: 'all', keys: [] })
})
