import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Login, type PrepareOptions, prepare } from '../../../src/engine/prepare.ts'
import { newKey } from '../../../src/host/ssh/new-key.ts'
import { Problem } from '../../../src/problem.ts'
import { project } from '../site/project.ts'

const INVENTORY = `vars: { user: ops, key: k, known_hosts: known }
hosts:
  lb-01: { address: 192.0.2.1 }
  web-01: { address: 192.0.2.2 }
  web-02: { address: 192.0.2.3, vars: { user: deploy } }
  idle: { address: 192.0.2.4 }
groups:
  web: { hosts: [web-01, web-02] }
`
const ROLE = (name: string, more = ''): string => `import { defineRole, z } from 'provision'
export default defineRole({ name: '${name}', summary: 's', options: z.strictObject({}), resources: () => [], ${more} })
`
const PLAYBOOK = `- hosts: lb-01
  roles: [balancer]
- hosts: web
  serial: 1
  roles: [app]
`

const prepared = async (
  options: Partial<PrepareOptions> = {},
  playbook = PLAYBOOK,
  inventory = INVENTORY,
  files: Readonly<Record<string, string>> = {},
) => {
  const root = project({
    'inventory/site.yaml': inventory,
    'playbooks/site.yaml': playbook,
    'roles/balancer.ts': ROLE('balancer', "drains: (_, { name }) => (name.startsWith('web') ? { out: 'o', back: 'b' } : undefined)"),
    'roles/app.ts': ROLE('app', "holdsOwnRows: ({ host }) => host.name === 'web-02'"),
    known: '',
    ...files,
  })
  writeFileSync(join(root, 'k'), (await newKey('test')).privateKey, { mode: 0o600 })
  writeFileSync(join(root, 'other'), (await newKey('test')).privateKey, { mode: 0o600 })
  const given = { root, env: {}, ...options, ...(options.login?.key && { login: { ...options.login, key: join(root, 'other') } }) }
  return prepare(given)
}
const refusal = (options: Partial<PrepareOptions>, playbook?: string): Promise<Problem> =>
  prepared(options, playbook).then(
    () => expect.fail('it was accepted'),
    (error: unknown) => (error instanceof Problem ? error : Promise.reject(error)),
  )

describe('a prepared run', () => {
  it('has the hosts of the plays in inventory order, and how to reach each', async () => {
    const { targets, reach, beside, roles, allowDataLoss } = await prepared()
    expect(targets).toEqual(['lb-01', 'web-01', 'web-02'])
    expect([...reach.values()].map(({ name, address, user }) => [name, address, user])).toEqual([
      ['lb-01', '192.0.2.1', 'ops'],
      ['web-01', '192.0.2.2', 'ops'],
      ['web-02', '192.0.2.3', 'deploy'],
    ])
    expect([beside.size, roles, allowDataLoss]).toEqual([0, [], []])
  })

  it('that retires a host warns about the hosts for which it has no firewall', async () => {
    const files = { 'identities/hosts.json': '{ "inventory/site.yaml": { "web-03": ["authority:edge"] } }' }
    const { retire, warnings } = await prepared({ retire: ['web-03'] }, PLAYBOOK, INVENTORY, files)
    expect(retire.map(({ host }) => host)).toEqual(['web-03'])
    expect(warnings.map(({ what }) => what)).toEqual([
      'lb-01, web-01, web-02 and 1 more may still admit web-03, because this run has no role firewall for them',
    ])
    const firewalls = `${PLAYBOOK}- hosts: [lb-01, web, idle]\n  roles: [firewall]\n`
    const { warnings: none } = await prepared({ retire: ['web-03'] }, firewalls, INVENTORY, {
      ...files,
      'roles/firewall.ts': ROLE('firewall'),
    })
    expect(none).toEqual([])
  })

  it('with --limit has only these hosts, and beside them those that send them requests', async () => {
    const { targets, reach, beside } = await prepared({ limit: ['web-01', 'idle'] })
    expect([targets, [...reach.keys()], [...beside.keys()]]).toEqual([['web-01'], ['web-01'], ['lb-01']])
    expect([...(await prepared({ limit: ['web-01'] }, PLAYBOOK.replace('  serial: 1\n', ''))).beside.keys()]).toEqual(['lb-01'])
    expect((await prepared({ limit: ['lb-01'] })).beside.size).toBe(0)
  })

  it('logs in with another account and key', async () => {
    const { reach, root } = await prepared({ login: { user: 'root', key: 'given' } })
    expect([...reach.values()].map(({ user, keys }) => [user, keys])).toEqual(
      Array.from({ length: 3 }, () => ['root', [join(root, 'other')]]),
    )
    const [own] = (await prepared({ login: { user: 'root' } })).reach.values()
    expect([own?.user, own?.keys?.[0]?.endsWith('/k')]).toEqual(['root', true])
  })

  it('uses the passphrase and the sudo password of the inventory for its own key and account only', async () => {
    const inventory = INVENTORY.replace('vars: {', 'vars: { sudo_password: sudo-word-1, passphrase: key-phrase-1,')
    const secretsOf = async (login: Login): Promise<readonly (string | undefined)[]> => {
      const [target] = (await prepared({ login }, PLAYBOOK, inventory)).reach.values()
      return [target?.sudoPassword?.reveal(), target?.passphrase?.reveal()]
    }
    expect(await secretsOf({})).toEqual(['sudo-word-1', 'key-phrase-1'])
    expect(await secretsOf({ user: 'root' })).toEqual([undefined, 'key-phrase-1'])
    expect(await secretsOf({ key: 'given' })).toEqual(['sudo-word-1', undefined])
  })

  it('logs in with another account at a host of ssh’s configuration, with the other settings of the inventory', async () => {
    const inventory = 'vars: { key: k, known_hosts: known }\nhosts: { no-such-alias.invalid: { vars: { port: 2299, user: ops } } }\n'
    const playbook = '- hosts: all\n  roles: [app]\n'
    const targetOf = async (login: Login) => [...(await prepared({ login }, playbook, inventory)).reach.values()][0]
    expect(await targetOf({})).toMatchObject({ address: 'no-such-alias.invalid', port: 2299, user: 'ops' })
    const root = await targetOf({ user: 'root', key: 'given' })
    expect(root).toMatchObject({ port: 2299, user: 'root', keys: [expect.stringMatching(/\/other$/)] })
    expect(root?.agentKeys).toBeUndefined()
  })

  it('warns about a secret of the inventory that is too short', async () => {
    const { warnings } = await prepared({}, PLAYBOOK, INVENTORY.replace('vars: {', "vars: { sudo_password: 'abc',"))
    expect(warnings.map(({ what }) => what)).toEqual(['`sudo_password` is too short to be masked within other text'])
  })

  it('needs keys that can be used, of hosts outside the run too', async () => {
    const missing = (host: string): string =>
      INVENTORY.replace(/(?<=: \{ address: )[\d.]+/g, (address) => address).replace(`${host}: { `, `${host}: { vars: { key: gone }, `)
    await expect(prepared({ limit: ['web-01'] }, PLAYBOOK, missing('lb-01'))).rejects.toThrow('gone')
    await expect(prepared({ limit: ['web-01'] }, PLAYBOOK, missing('idle'))).resolves.toBeDefined()
  })

  it('keeps the roles and the hosts whose rows may be lost', async () => {
    const { roles, allowDataLoss } = await prepared({ roles: ['app'], allowDataLoss: ['web-02'] })
    expect([roles, allowDataLoss]).toEqual([['app'], ['web-02']])
  })
})

describe('a command line is refused if', () => {
  it.each<[string, Partial<PrepareOptions>, Partial<Problem>]>([
    [
      'a role is not in the playbook',
      { roles: ['ap'] },
      { where: { command: '--role ap' }, what: 'role ap is not in the playbook', fix: expect.stringContaining('app') as never },
    ],
    [
      'no host is selected',
      { limit: ['idle'] },
      { where: { command: '--limit idle' }, what: 'no host of the playbook is selected', fix: 'name a host that a play binds to roles' },
    ],
    [
      'no selected host has the role',
      { limit: ['lb-01'], roles: ['app'] },
      { where: { command: '--limit lb-01' }, what: 'no host with role app is selected' },
    ],
    [
      'a host of --allow-data-loss does not exist',
      { allowDataLoss: ['web-03'] },
      {
        where: { command: '--allow-data-loss web-03' },
        what: 'host web-03 is not in the inventory',
        fix: expect.stringContaining('web-0') as never,
      },
    ],
    [
      'a host of --allow-data-loss holds no rows',
      { allowDataLoss: ['web-01'] },
      { what: 'web-01 cannot hold unreplicated rows', fix: 'name one of web-02, or remove this option' },
    ],
  ])('%s', async (_, options, problem) => {
    expect(await refusal(options)).toMatchObject({ class: 'input', ...problem })
  })

  it('a host of --allow-data-loss holds no rows, and no other does', async () => {
    const fix = 'remove this option'
    expect(await refusal({ allowDataLoss: ['lb-01'] }, '- hosts: lb-01\n  roles: [balancer]\n')).toMatchObject({ fix })
  })
})
