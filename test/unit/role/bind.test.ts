import { expect, test } from 'vitest'
import { z } from 'zod'
import { lineOf, problemsIn } from '../../../src/problem.ts'
import { secret } from '../../../src/resource/kind/secret.ts'
import { type Bindings, bindRoles } from '../../../src/role/bind.ts'
import { defineRole, type Role, type SiteContext } from '../../../src/role/role.ts'
import { siteOf } from '../site/project.ts'

const INVENTORY = `vars: { user: ops }
hosts:
  lb-01: { address: 192.0.2.1, public: 198.51.100.1 }
  web-01: { address: 192.0.2.2, vars: { port: 2222 } }
  web-02: { address: 192.0.2.3, internal: 10.0.0.3 }
groups:
  web: { hosts: [web-02, web-01], vars: { nginx: { port: 8080 } } }
`
const PLAYBOOK = `- hosts: web
  roles: [nginx]
- hosts: lb-01
  roles: [{ firewall: { port: 443 } }]
`
const options = z.strictObject({ port: z.int().min(1), name: z.string().default('x'), key: secret().optional() })
const roleOf = (name: string, more: Partial<Role<z.input<typeof options>, z.output<typeof options>>> = {}): Role =>
  defineRole({ name, summary: 's', options, resources: () => [], ...more }) as unknown as Role

const bind = async (roles: readonly Role[], playbook = PLAYBOOK, inventory = INVENTORY): Promise<Bindings> =>
  bindRoles(await siteOf(inventory, { playbook }), new Map(roles.map((role) => [role.name, role])))
const problems = async (...given: Parameters<typeof bind>): Promise<readonly string[]> =>
  bind(...given).then(
    () => [],
    (error: unknown) => (problemsIn(error) ?? []).map(lineOf),
  )
const both = [roleOf('nginx'), roleOf('firewall')]

test('each role of a play is bound to each of its hosts, with checked options, its play and its place', async () => {
  const { bound, flows, exposed, warnings } = await bind(both)
  expect(
    bound.map(({ play, host, role, context, where }) => [play, host, role.name, context.options, 'line' in where && where.line]),
  ).toEqual([
    [0, 'web-01', 'nginx', { port: 8080, name: 'x' }, 2],
    [0, 'web-02', 'nginx', { port: 8080, name: 'x' }, 2],
    [1, 'lb-01', 'firewall', { port: 443, name: 'x' }, 4],
  ])
  expect([flows, exposed, warnings]).toEqual([[], [], []])
  // A role that is not loaded is bound to no host.
  expect((await bind([roleOf('nginx')])).bound.map(({ host }) => host)).toEqual(['web-01', 'web-02'])
})

test('a role sees the hosts of the site, their groups, and the hosts of other roles', async () => {
  const [{ context } = { context: undefined as never as SiteContext<unknown> }] = (await bind(both)).bound
  const { site, host } = context
  expect(site.hosts).toEqual([
    { name: 'lb-01', user: 'ops', sshPort: 22, addresses: ['192.0.2.1'], publicAddresses: ['198.51.100.1'], groups: [] },
    { name: 'web-01', user: 'ops', sshPort: 2222, addresses: ['192.0.2.2'], publicAddresses: ['192.0.2.2'], groups: ['web'] },
    { name: 'web-02', user: 'ops', sshPort: 22, addresses: ['10.0.0.3'], publicAddresses: ['10.0.0.3'], groups: ['web'] },
  ])
  expect(host).toBe(site.hosts[1])
  const names = (hosts: typeof site.hosts): readonly string[] => hosts.map(({ name }) => name)
  expect([names(site.group('web')), names(site.group('all')), names(site.group('none'))]).toEqual([
    ['web-01', 'web-02'],
    ['lb-01', 'web-01', 'web-02'],
    [],
  ])
  expect(['nginx', 'firewall', 'none'].map((name) => names(site.withRole(name)))).toEqual([['web-01', 'web-02'], ['lb-01'], []])
})

test('a role that has no options at all names the variable that sets them', async () => {
  const playbook = '- hosts: lb-01\n  roles: [nginx]\n'
  expect(await problems(both, playbook)).toEqual([
    'playbooks/site.yaml:2:11: `port` is missing in role nginx: add `port: …`, in the variable `nginx` of the inventory',
  ])
  const withOptions = '- hosts: lb-01\n  roles: [{ nginx: { name: y } }]\n'
  expect(await problems(both, withOptions)).toEqual([expect.stringMatching(/`port` is missing in role nginx: add `port: …`$/)])
})

test('invalid options are reported for all roles together, at the places where they were written', async () => {
  const inventory = INVENTORY.replace('port: 8080', 'port: zero')
  expect(await problems(both, PLAYBOOK.replace('443', '0'), inventory)).toEqual([
    'inventory/hosts.yaml:7:58: `port` must be a number, not "zero": write a number',
    'playbooks/site.yaml:4:31: `port`: 0 must be at least 1: write a number of at least 1',
  ])
})

test('a role may refuse options by the site, which is reported once, and its ports are not asked for then', async () => {
  const check = ({ options: { port }, site }: SiteContext<{ port: number }>) =>
    port === 8080 ? [{ path: ['port'], what: `is taken on ${site.hosts.length} hosts`, fix: 'use another' }] : []
  const listens = (): never => {
    throw new Error('asked')
  }
  expect(await problems([roleOf('nginx', { check, listens }), roleOf('firewall')])).toEqual([
    expect.stringMatching(/^inventory\/hosts\.yaml:7:\d+: role nginx: is taken on 3 hosts: use another$/),
  ])
})

test('two plays may bind a role to a host with the same options, not with different ones', async () => {
  const twice = (options: string): string => `- hosts: web-01\n  roles: [nginx]\n- hosts: web\n  roles: [${options}]\n`
  expect(await problems(both, twice('nginx'))).toEqual([])
  expect(await problems(both, twice('{ nginx: { name: y } }'))).toEqual([
    expect.stringMatching(
      /^playbooks\/site\.yaml:4:\d+: role nginx is bound to web-01 twice with different options \(first at playbooks\/site\.yaml:2:\d+\): /,
    ),
  ])
})

test('a port is a flow; a wrong one is reported at the option that has it, if only one has it', async () => {
  const listens = ({ options: { port } }: SiteContext<{ port: number }>) => [
    { service: 'site', port, protocol: 'tcp' as const, from: [{ group: 'all' }] },
  ]
  const { flows } = await bind([roleOf('nginx', { listens })])
  expect(flows.map(({ host, role, port }) => [host, role, port])).toEqual([
    ['web-01', 'nginx', 8080],
    ['web-02', 'nginx', 8080],
  ])
  const large = INVENTORY.replace('port: 8080', 'port: 70000')
  expect(await problems([roleOf('nginx', { listens })], PLAYBOOK, large)).toEqual([
    expect.stringMatching(/^inventory\/hosts\.yaml:7:\d+: role nginx on web-01, web-02: site cannot listen on port 70000: /),
  ])
})

test('a short secret among the options is a warning at its place', async () => {
  const { warnings } = await bind(both, PLAYBOOK.replace('port: 443', 'port: 443, key: abc'))
  expect(warnings.map(lineOf)).toEqual([
    expect.stringMatching(/^playbooks\/site\.yaml:4:\d+: `key` is too short to be masked within other text/),
  ])
})
