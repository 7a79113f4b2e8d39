import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { memoryBytes } from '../../../../roles/redis/config.ts'
import { options } from '../../../../roles/redis/options.ts'
import { softwareOf } from '../../../../roles/redis/release.ts'
import role from '../../../../roles/redis/role.ts'
import type { FileSpec } from '../../../../src/resource/file/spec.ts'
import { bytesOf } from '../../../../src/resource/kind/content.ts'
import type { Facts, HostView } from '../../../../src/role/role.ts'
import { planRole } from '../../../../src/testing/plan-role.ts'

const INVENTORY = {
  hosts: {
    'cache-01': { address: '192.0.2.11' },
    'cache-02': { address: '192.0.2.12' },
    'web-01': { address: '192.0.2.21' },
  },
  groups: { cache: { hosts: ['cache-01', 'cache-02'] }, web: { hosts: ['web-01'] } },
}
const PASSWORD = 'the secret of the role'
const given = (more: object = {}) => ({ password: PASSWORD, ...more })
const BOOKWORM: Partial<Facts> = { release: '12', codename: 'bookworm' }
const JAMMY: Partial<Facts> = { distribution: 'ubuntu', release: '22.04', codename: 'jammy' }
const plan = (host: string, more: object = {}, facts: Partial<Facts> = {}, inventory: object = INVENTORY) =>
  planRole(role, { inventory: inventory as never, host, options: given(more), facts })
const contentOf = (host: string, path: string, more: object = {}, facts: Partial<Facts> = {}): string => {
  const found = plan(host, more, facts).resources.find(({ kind, id }) => kind.name === 'file' && id === path)
  if (found === undefined) throw new Error(`no file ${path}`)
  return Buffer.from(bytesOf((found.spec as FileSpec).content)).toString()
}
const configOf = (host: string, more: object = {}) => contentOf(host, '/etc/provision-redis/redis.conf', more)
const accountsOf = (more: object = {}, facts: Partial<Facts> = {}) =>
  contentOf('cache-01', '/etc/provision-redis/users.acl', more, facts).trim().split('\n')

describe('the resources', () => {
  it('of a server list its configuration before the service', () => {
    expect(plan('cache-01', {}, BOOKWORM).changes.map(({ resource }) => resource)).toEqual([
      'package:openssl',
      'package:redis-server',
      'directory:/etc/provision-redis',
      'file:/etc/provision-redis/authority.pem',
      'certificate:/etc/provision-redis/server.pem',
      'sysctl:vm.overcommit_memory',
      'file:/etc/provision-redis/administrator',
      'file:/etc/provision-redis/users.acl',
      'file:/etc/provision-redis/redis.conf',
      'directory:/usr/local/lib/provision',
      'file:/usr/local/lib/provision/redis',
      'unit:redis-server.service.d/provision.conf',
      'service:redis-server.service',
      'package:prometheus-redis-exporter',
      'file:/etc/provision-redis/exporter.env',
      'unit:prometheus-redis-exporter.service.d/provision.conf',
      'service:prometheus-redis-exporter.service',
    ])
  })

  it('of a client host are the certificate of the authority', () => {
    expect(plan('web-01').changes.map(({ resource }) => resource)).toEqual([
      'package:openssl',
      'directory:/etc/provision-redis',
      'file:/etc/provision-redis/authority.pem',
    ])
  })

  it.each<[Partial<Facts>, string]>([
    [BOOKWORM, 'redis-server'],
    [{}, 'valkey-server'],
    [JAMMY, 'redis-server'],
    [{ distribution: 'ubuntu', release: '24.04' }, 'redis-server'],
    [{ distribution: 'ubuntu', release: '26.04' }, 'valkey-server'],
  ])('of %j have the package %s', (facts, name) => {
    expect(plan('cache-01', {}, facts).changes.map(({ resource }) => resource)).toContain(`package:${name}`)
  })

  it('omit the kernel setting in a container, and the exporter without metrics', () => {
    const { changes } = plan('cache-01', { metrics: false }, { container: true })
    expect(changes.map(({ resource }) => resource).join()).not.toMatch(/sysctl|exporter/)
  })

  it.each(['append', 'snapshots', 'none'])('have a script that sh can read (%s)', (persistence) => {
    const alone = { hosts: { 'cache-01': { address: '192.0.2.11' } }, groups: { cache: { hosts: ['cache-01'] } } }
    const { changes } = plan('cache-01', { persistence }, {}, alone)
    const text = changes.find(({ resource }) => resource === 'file:/usr/local/lib/provision/redis')?.text ?? ''
    expect(text).toContain('exec "$@"')
    expect(spawnSync('sh', ['-n'], { input: text, encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' })
  })
})

describe('the configuration', () => {
  it('follows the primary on the other servers only', () => {
    expect(configOf('cache-01')).not.toContain('replicaof')
    expect(configOf('cache-02')).toContain('\nreplicaof 192.0.2.11 6379\n')
    expect(configOf('cache-01', { primary: 'cache-02' })).toContain('\nreplicaof 192.0.2.12 6379\n')
    expect(configOf('cache-02', { primary: 'cache-02' })).not.toContain('replicaof')
  })

  it('accepts connections with TLS only, at the addresses of the host', () => {
    expect(configOf('cache-01')).toContain('\nbind 127.0.0.1 192.0.2.11\nport 0\ntls-port 6379\n')
  })

  it.each([
    ['append', 'appendonly yes', 'save ""'],
    ['snapshots', 'appendonly no', 'save 3600 1'],
  ])('keeps data by %s', (persistence, log, save) => {
    const lines = configOf('cache-01', { persistence }).split('\n')
    expect(lines).toEqual(expect.arrayContaining([log, save]))
  })

  it.each([
    ['25%', 1000 * 2 ** 20],
    ['512M', 512 * 2 ** 20],
    ['2G', 2 ** 31],
  ])('limits the data to %s', (memory, bytes) => {
    expect(memoryBytes({ memory } as never, { memoryMB: 4000 })).toBe(bytes)
  })
})

describe('the accounts', () => {
  const digest = (text: string): string => createHash('sha256').update(text).digest('hex')

  it('are stored as digests, and the account of clients without a name is off', () => {
    const lines = accountsOf({ users: [{ name: 'shop', password: 'password of the shop', keys: ['shop:*'], channels: ['news'] }] })
    expect(lines[0]).toBe('user default off')
    expect(lines.at(-1)).toBe(
      `user shop on resetchannels #${digest('password of the shop')} ~shop:* &news +@all -@admin -@dangerous +info +keys +flushdb`,
    )
    expect(lines.join('\n')).not.toContain('password of')
  })

  it('of the role have different passwords, and none is the password of the option', () => {
    const digests = accountsOf().flatMap((line) => /#([0-9a-f]{64})/.exec(line)?.[1] ?? [])
    expect(new Set(digests).size).toBe(3)
    expect(digests).not.toContain(digest(PASSWORD))
  })

  it('can include the account of clients without a name', () => {
    expect(accountsOf({ users: [{ name: 'default', password: 'a password' }] }).join('\n')).not.toContain('user default off')
  })

  it('have no channels in Redis 6.0, which lacks them', () => {
    expect(accountsOf({ users: [{ name: 'shop', password: 'a password' }] }, JAMMY).join('\n')).not.toMatch(/&|resetchannels/)
    expect(softwareOf({ ...JAMMY } as Facts).hasChannels).toBe(false)
  })
})

describe('the checks', () => {
  const server = (name: string, ...groups: string[]): HostView => ({
    ...{ name, user: 'ops', sshPort: 22, publicAddresses: [], groups },
    addresses: [`192.0.2.${name.at(-1)}`],
  })
  const [first, second, web] = [server('cache-1'), server('cache-2'), server('web-3', 'web')]
  const namesOf = (host: HostView) => {
    const groups: Readonly<Record<string, readonly HostView[]>> = { cache: [first, second], web: [web] }
    const site = { hosts: [first, second, web], group: (name: string) => groups[name] ?? [], withRole: () => [first, second, web] }
    const checks = role.verify?.({ options: options.parse(given()), host, site, flows: [] }) ?? []
    for (const { script } of checks)
      expect(spawnSync('sh', ['-n'], { input: String(script), encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' })
    return checks.map(({ name }) => name)
  }

  it('query the replicas on a primary, and the primary on a replica', () => {
    expect(namesOf(first)).toContain('every replica follows this server')
    expect(namesOf(second)).toContain('this server replicates from cache-1')
    expect(namesOf(web)).toEqual(['cache-1 can be reached from here, and verified', 'cache-2 can be reached from here, and verified'])
  })
})

describe('a refusal', () => {
  it.each<[string, object, RegExp]>([
    ['a primary that is no server', { primary: 'web-01' }, /web-01 is not a server \(group cache\)/],
    ['a group without hosts', { servers: 'caches' }, /group caches has no hosts/],
    ['a host without a function', { clients: [], servers: 'web' }, /cache-01 is in none of the groups web/],
    ['replicas of a primary without persistence', { persistence: 'none' }, /its replicas delete their data as well/],
    [
      'the same user twice',
      { users: ['a', 'b'].map((password) => ({ name: 'shop', password: `${password} password` })) },
      /the user shop is listed twice/,
    ],
  ])('of %s', (_, more, what) => {
    expect(() => plan('cache-01', more)).toThrow(what)
  })

  it('of channels on a release that cannot limit them', () => {
    const users = [{ name: 'shop', password: 'a password', channels: ['news'] }]
    expect(() => plan('cache-01', { users }, JAMMY)).toThrow(/user shop has `channels`/)
  })

  it.each([
    { password: undefined },
    { memory: '0M' },
    { eviction: 'all' },
    { users: [{ name: 'provision', password: 'x' }] },
    { users: [{ name: 'shop', password: 'x', keys: ['shop:* +@all'] }] },
    { users: [{ name: 'shop', password: 'x', keys: ['a\nuser b on nopass'] }] },
    { users: [{ name: 'shop', password: 'x', commands: ['+@nonsense'] }] },
    { users: [{ name: 'shop', password: 'x', commands: ['nopass'] }] },
    { users: [{ name: 'shop on nopass', password: 'x' }] },
  ])('of the options %j', (more) => {
    expect(options.safeParse(given(more)).success).toBe(false)
  })
})
