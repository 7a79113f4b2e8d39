import { writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { Connection } from '../../../../src/host/target/connection.ts'
import { resolveTarget } from '../../../../src/host/target/target.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { scratch } from '../ssh/ssh-server.ts'

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

test('with transport openssh, the configuration of ssh applies to an address as well, which stays', async () => {
  const host: Connection = { ...connection, address: '192.0.2.7', transport: 'openssh', written: ['user'] }
  expect(await resolveTarget('web-01', host)).toMatchObject({
    ...{ name: 'web-01', address: '192.0.2.7', sshConfig: '192.0.2.7', user: 'jane', port: 22, transport: 'openssh' },
  })
  expect(await resolveTarget('web-01', { ...host, transport: 'auto' })).toEqual({ ...host, transport: 'auto', name: 'web-01' })
  expect((await resolveTarget('no-such-alias.invalid', { ...host, viaSshConfig: true })).sshConfig).toBe('no-such-alias.invalid')
})

test('jump hosts of the inventory replace the ProxyCommand of the configuration, which then is no reason for OpenSSH', async () => {
  const directory = scratch()
  writeFileSync(join(directory, 'ssh'), '#!/bin/sh\nprintf "%s\\n" "proxycommand nc" "certificatefile /c"\n', { mode: 0o755 })
  vi.stubEnv('PATH', `${directory}:${process.env.PATH}`)
  onTestFinished(() => void vi.unstubAllEnvs())
  const host: Connection = { ...connection, viaSshConfig: true }
  expect(await resolveTarget('web', host)).toMatchObject({ jump: [], sshNeeds: ['ProxyCommand nc', 'CertificateFile /c'] })
  expect(await resolveTarget('web', { ...host, written: ['jump'] })).toMatchObject({ jump: ['gate'], sshNeeds: ['CertificateFile /c'] })
})

test('this machine is used with the account of the controller', async () => {
  expect(await resolveTarget('me', { ...connection, transport: 'local' })).toMatchObject({ name: 'me', user: userInfo().username })
})
