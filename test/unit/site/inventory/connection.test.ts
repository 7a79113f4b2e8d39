import { expect, test } from 'vitest'
import { isSecret } from '../../../../src/secret/secret.ts'
import { siteOf } from '../project.ts'

test('omitted settings have safe defaults, and a host without address is resolved by the ssh configuration', async () => {
  const site = await siteOf('hosts:\n  web-01:\n')
  expect(site.hosts.get('web-01')).toMatchObject({
    connection: {
      address: 'web-01',
      port: 22,
      user: 'ops',
      keys: [],
      knownHosts: ['/home/ops/.ssh/known_hosts', '/etc/ssh/ssh_known_hosts'],
      hostKeys: 'strict',
      jump: [],
      viaSshConfig: true,
      written: [],
    },
    addresses: ['web-01'],
    groups: [],
  })
})

test('paths are relative to project or home, single values become lists, and jump hosts may be separated by commas', async () => {
  const site = await siteOf(`
vars:
  key: keys/id
  known_hosts: [~/.ssh/hosts, /etc/hosts.keys]
  host_keys: accept-new
  jump: ops@gate.example.com:2200, [fd00::1]:22
  sudo_password: in the clear
hosts:
  web-01: {address: 'fd00::11', internal: 192.168.0.11, public: [198.51.100.1, '2001:db8::1']}
`)
  const { connection, addresses, publicAddresses } = site.hosts.get('web-01') ?? {}
  expect(connection).toMatchObject({
    keys: [`${site.root}/keys/id`],
    knownHosts: ['/home/ops/.ssh/hosts', '/etc/hosts.keys'],
    hostKeys: 'accept-new',
    jump: ['ops@gate.example.com:2200', '[fd00::1]:22'],
    written: ['keys', 'knownHosts', 'hostKeys', 'jump'],
  })
  expect(isSecret(connection?.sudoPassword) && connection.sudoPassword.reveal()).toBe('in the clear')
  expect(addresses).toEqual(['192.168.0.11'])
  expect(publicAddresses).toEqual(['198.51.100.1', '2001:db8::1'])
})

test('this machine has no settings of SSH, no address for others unless it is set, and is one host only', async () => {
  const site = await siteOf(`
vars: { user: ops, port: 2222, key: /k, jump: gate, transport: openssh, sudo_password: in the clear }
hosts:
  me: { address: local }
  web-01: { address: 10.0.0.1 }
`)
  expect(site.hosts.get('me')).toMatchObject({
    connection: { address: 'local', transport: 'local', port: 22, user: 'ops', keys: [], knownHosts: [], jump: [], written: [] },
    addresses: [],
    publicAddresses: [],
  })
  expect(isSecret(site.hosts.get('me')?.connection.sudoPassword)).toBe(true)
  expect(site.hosts.get('web-01')?.connection.transport).toBe('openssh')
  expect((await siteOf('hosts: { me: { address: local, internal: 10.0.0.5 } }\n')).hosts.get('me')?.addresses).toEqual(['10.0.0.5'])
  await expect(siteOf('hosts: { one: { address: local }, two: { address: local } }\n')).rejects.toThrow(
    'one and two have the same address local',
  )
})

test('`keys` of a host replace the `key` of all', async () => {
  const site = await siteOf('vars: {key: /a}\nhosts: {web-01: {keys: [/b, /c]}, web-02: {}}\n')
  expect(site.hosts.get('web-01')?.connection.keys).toEqual(['/b', '/c'])
  expect(site.hosts.get('web-02')?.connection.keys).toEqual(['/a'])
})

test('the same address behind another jump host or on another port is another machine', async () => {
  const site = await siteOf(`
hosts:
  one: {address: 10.0.0.1}
  two: {address: 10.0.0.1, port: 2222}
  three: {address: 10.0.0.1, jump: gate}
`)
  expect(site.hosts.size).toBe(3)
})

test('words that are booleans in YAML 1.1 are valid names', async () => {
  const site = await siteOf('hosts: {no: , on: , y: }\ngroups: {off: {hosts: [no, on]}}\n')
  expect(site.groups.get('off')).toEqual(['no', 'on'])
})

test('a link-local address keeps its interface', async () => {
  const site = await siteOf('hosts: {web-01: {address: "fe80::62:8bff:fe49:d96d%eth0.5", internal: 10.0.0.1}}\n')
  expect(site.hosts.get('web-01')?.connection.address).toBe('fe80::62:8bff:fe49:d96d%eth0.5')
})

test('anchors, aliases and merge keys are supported', async () => {
  const site = await siteOf(`
vars:
  x_web: &web {content: site, headers: {a: 1}}
hosts:
  web-01: {vars: {nginx: *web}}
  web-02: {vars: {nginx: {<<: *web, content: other}}}
`)
  expect(site.hosts.get('web-01')?.vars.get('nginx')?.value).toEqual({ content: 'site', headers: { a: 1 } })
  expect(site.hosts.get('web-02')?.vars.get('nginx')?.value).toEqual({ content: 'other', headers: { a: 1 } })
  expect(site.hosts.get('web-02')?.vars.get('nginx')?.origin).toBe('host web-02')
})

test('`serial` is a number, a percentage of at least one host, or a list; `max_failures` may be zero', async () => {
  const hosts = 'hosts: {a: , b: , c: , d: , e: }\n'
  const play = async (settings: string) => (await siteOf(hosts, { playbook: `- {hosts: all, roles: [nginx]${settings}}\n` })).plays[0]
  const serial = async (settings: string) => (await play(settings))?.serial
  expect(await serial('')).toEqual([])
  expect(await serial(', serial: 2')).toEqual([2])
  expect(await serial(', serial: 40%')).toEqual([2])
  expect(await serial(', serial: 1%')).toEqual([1])
  expect(await serial(', serial: [1, 40%, 100%]')).toEqual([1, 2, 5])
  expect((await play(', serial: 1'))?.maxFailures).toBe(0)
  expect((await play(', serial: 1, max_failures: 2'))?.maxFailures).toBe(2)
  expect((await play(', serial: 1, max_failures: 20%'))?.maxFailures).toBe(1)
  expect((await play(', serial: 1, max_failures: 19%'))?.maxFailures).toBe(0)
})
