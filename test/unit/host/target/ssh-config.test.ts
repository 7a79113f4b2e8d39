import { homedir } from 'node:os'
import { expect, test } from 'vitest'
import { parseSshConfig } from '../../../../src/host/target/ssh-config.ts'

const DEFAULTS = ['id_rsa', 'id_ecdsa', 'id_ecdsa_sk', 'id_ed25519', 'id_ed25519_sk', 'id_xmss', 'id_dsa'].map(
  (name) => `identityfile ~/.ssh/${name}`,
)

test('reads the output of ssh -G', () => {
  const written = `user admin
hostname 10.0.0.11
port 2222
identityfile ~/.ssh/work key
identityfile /keys/%h/%r
proxyjump ops@bastion:2200,inner
userknownhostsfile /home/me/.ssh/known_hosts /home/me/.ssh/known_hosts2
globalknownhostsfile /etc/ssh/ssh_known_hosts
stricthostkeychecking accept-new
hostkeyalias web
identityagent ~/agent.sock
`
  expect(parseSshConfig('web', written)).toEqual({
    address: '10.0.0.11',
    port: 2222,
    user: 'admin',
    keys: [`${homedir()}/.ssh/work key`, '/keys/10.0.0.11/admin'],
    knownHosts: ['/home/me/.ssh/known_hosts', '/home/me/.ssh/known_hosts2', '/etc/ssh/ssh_known_hosts'],
    jump: ['ops@bastion:2200', 'inner'],
    hostKeys: 'accept-new',
    hostKeyAlias: 'web',
    agent: `${homedir()}/agent.sock`,
  })
})

test('default key files do not count as named', () => {
  expect(parseSshConfig('web', DEFAULTS.join('\n')).keys).toEqual([])
  expect(parseSshConfig('web', 'identityfile ~/.ssh/id_rsa').keys).toEqual([`${homedir()}/.ssh/id_rsa`])
})

test('the value none means no value', () => {
  expect(parseSshConfig('web', 'proxyjump none\nproxycommand none\nidentityfile none\nuserknownhostsfile none')).toMatchObject({
    address: 'web',
    jump: [],
    keys: [],
    knownHosts: [],
  })
})

test('a ProxyCommand is refused', () => {
  expect(() => parseSshConfig('web', 'proxycommand nc %h %p')).toThrow('ProxyCommand is not supported')
})
