import { describe, expect, it } from 'vitest'
import { rebootTime } from '../../../../roles/base/reboot.ts'
import base from '../../../../roles/base/role.ts'
import type { HostRefusal } from '../../../../src/resource/kind/step.ts'
import { outcomeOf } from '../../../../src/resource/ownership/plan.ts'
import type { Facts, HostView } from '../../../../src/role/role.ts'
import { isRoot, throwaway } from '../../resource/account/throwaway.ts'
import { NOTHING } from '../../resource/answers.ts'
import { context } from '../../resource/recorded.ts'

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ/LMZhCtfW8cBGGJhmlfUfVYDdiX08PBo+cxJAJjF4C me'
const MACHINE: Partial<Facts> = { distribution: 'debian', release: '12', container: false }
const host = { name: 'web', user: 'root' } as HostView
const site = { hosts: [host], group: () => [], withRole: (name: string) => (name === 'base' ? [host] : []) }

type Resources = ReturnType<typeof base.resources>
const resources = (options: object, facts: Partial<Facts> = MACHINE, warn: (what: string) => void = () => {}): Resources =>
  base.resources({
    options: base.options.parse(options),
    facts,
    host,
    site,
    wasDeclared: () => true,
    warn,
  } as unknown as Parameters<typeof base.resources>[0])
const keys = (found: Resources): readonly string[] => found.map(({ kind, id }) => `${kind.name}:${id}`)
const textOf = (found: Resources, path: string): string =>
  found
    .filter(({ id }) => id === path)
    .map(({ spec }) => (spec as { content: { parts: readonly string[] } }).content.parts.join(''))
    .join('')
const faults = (options: object, user = 'root') =>
  base
    .check?.({ options: base.options.parse(options), host: { ...host, user }, site: { hosts: [], group: () => [], withRole: () => [] } })
    .map(({ path, what }) => `${path.join('.')}: ${what}`)

describe('administrators', () => {
  it('get an account without a password, with their keys and sudo', () => {
    const found = resources({ administrators: [{ name: 'ann', keys: [KEY] }] })
    expect(keys(found)).toEqual(expect.arrayContaining(['package:sudo', 'authorized-keys:ann']))
    expect(found.find(({ id }) => id === 'ann')?.spec).toMatchObject({ password: 'locked', shell: '/bin/bash', state: 'present' })
    expect(found.find(({ id }) => id === '/etc/sudoers.d/provision-ann')?.spec).toMatchObject({ mode: '440', state: 'present' })
  })

  it('get the groups, the shell and the keys of their entry', () => {
    const entry = { name: 'ann', keys: [KEY], exclusive: true, groups: ['adm', 'docker'], shell: '/bin/zsh' }
    const specs = (kind: string) => resources({ administrators: [entry] }).flatMap((one) => (one.kind.name === kind ? [one.spec] : []))
    expect(specs('user')).toMatchObject([{ name: 'ann', groups: ['adm', 'docker'], shell: '/bin/zsh' }])
    expect(specs('authorized-keys')).toMatchObject([{ user: 'ann', keys: [{ comment: 'me' }], exclusive: true }])
  })

  it('lose sudo or the account according to their options', () => {
    const none = resources({ administrators: [{ name: 'ann', keys: [KEY], sudo: 'none' }] })
    expect(none.find(({ id }) => id === '/etc/sudoers.d/provision-ann')?.spec).toMatchObject({ state: 'absent' })
  })

  it('who leave lose sudo, every key and what they run, before anything else changes', () => {
    const found = resources({
      administrators: [
        { name: 'bob', keys: [KEY], sudo: 'none' },
        { name: 'ann', state: 'absent' },
      ],
    })
    expect(keys(found).slice(0, 5)).toEqual([
      'file:/etc/sudoers.d/provision-bob',
      'file:/etc/sudoers.d/provision-ann',
      'authorized-keys:ann',
      'file:/etc/ssh/provision-principals/ann',
      'user:ann',
    ])
    expect(found.slice(0, 5).map(({ spec }) => spec)).toMatchObject([
      { state: 'absent' },
      { state: 'absent' },
      { keys: [], exclusive: true },
      { state: 'absent' },
      { state: 'absent', endSessions: true, removeHome: false },
    ])
    expect(keys(found).filter((key) => /[:/-]ann$/.test(key))).toHaveLength(5)
  })

  it.each([
    [{ name: 'ops', state: 'absent' }, 'administrators.0.state: ops is the account that this run uses'],
    [{ name: 'ops', keys: [KEY], sudo: 'none' }, 'administrators.0.sudo: ops is the account that this run uses, and the run needs sudo'],
  ])('cannot be %j if the run uses that account', (administrator, fault) => {
    expect(faults({ administrators: [administrator] }, 'ops')).toEqual([fault])
    expect(faults({ administrators: [administrator] }, 'root')).toEqual([])
  })

  it('with an invalid key or setting are reported before any host is asked', () => {
    expect(faults({ administrators: [{ name: 'ann', keys: [KEY, 'ssh-ed25519 nonsense'] }] })).toEqual([
      'administrators.0.keys.1: it is truncated or damaged: its data is not an ssh-ed25519 key',
    ])
    expect(faults({ ssh: { settings: { Port: 2222 } } })).toEqual([
      expect.stringMatching(/^ssh\.settings\.Port: Port must not be set here/),
    ])
  })

  it('are reported if listed twice', () => {
    const twice = { name: 'ann', keys: [KEY] }
    expect(faults({ administrators: [twice, twice] })).toEqual(['administrators.1.name: ann is listed twice'])
  })

  it('who are deleted from the list keep all they have, and the run names the entry that removes it', () => {
    const SUM = 'a'.repeat(64)
    const there = resources({ administrators: [{ name: 'bob', keys: [KEY] }] }).filter(({ id }) => /(^|-)bob$/.test(id))
    const hints = there.map(({ kind, id }) => {
      const owned = { key: `${kind.name}:${id}`, ...(kind.name === 'file' && { path: id, digest: SUM }) }
      const inode = { type: 'f', mode: '440', owner: 'root', group: 'root', target: '' } as const
      return outcomeOf({ role: 'base', owned, prune: true } as never, { inode, sha256: SUM, within: [] } as never, {})
    })
    expect(hints).toHaveLength(3)
    for (const hint of hints)
      expect(hint).toEqual({
        is: 'stays',
        why: expect.stringMatching(/declare (it|the account) with state: absent .*in the options of its role/),
      })
    // The entry deletes the same resources.
    expect(keys(resources({ administrators: [{ name: 'bob', state: 'absent' }] }))).toEqual(expect.arrayContaining([...keys(there)]))
  })

  it('of a host are those of both lists', () => {
    const lists = { administrators: [{ name: 'ann', keys: [KEY] }], more_administrators: [{ name: 'job', keys: [KEY] }] }
    const together = { administrators: [...lists.administrators, ...lists.more_administrators] }
    const shown = (found: Resources) => found.map(({ kind, id, spec }) => [kind.name, id, spec])
    expect(shown(resources(lists))).toEqual(shown(resources(together)))
    expect(shown(resources({ ...lists, administrators: [] }))).toEqual(shown(resources({ administrators: lists.more_administrators })))
    const leaving = { ...lists, more_administrators: [{ name: 'job', state: 'absent' }] }
    expect(keys(resources(leaving)).slice(0, 4)).toEqual([
      ...['file:/etc/sudoers.d/provision-job', 'authorized-keys:job', 'file:/etc/ssh/provision-principals/job', 'user:job'],
    ])
    const checks = (options: object) => base.verify?.({ options: base.options.parse(options) } as never)
    expect(checks(lists)).toEqual(checks(together))
    expect(base.options.parse({}).more_administrators).toEqual([])
  })

  it('are checked in both lists, each with its place', () => {
    const ann = { name: 'ann', keys: [KEY] }
    const job = { name: 'job', keys: [KEY] }
    expect(faults({ administrators: [ann], more_administrators: [job] })).toEqual([])
    expect(faults({ administrators: [ann], more_administrators: [job, ann] })).toEqual([
      'more_administrators.1.name: ann is in administrators too',
    ])
    expect(faults({ more_administrators: [job, ann, job] })).toEqual(['more_administrators.2.name: job is listed twice'])
    expect(faults({ administrators: [ann], more_administrators: [{ name: 'ops', state: 'absent' }] }, 'ops')).toEqual([
      'more_administrators.0.state: ops is the account that this run uses',
    ])
    expect(faults({ more_administrators: [{ ...job, keys: ['ssh-ed25519 nonsense'] }] })).toEqual([
      expect.stringMatching(/^more_administrators\.0\.keys\.0: it is truncated/),
    ])
    expect(faults({ more_administrators: [{ name: 'job' }] })).toEqual(['more_administrators.0.keys: job has no key'])
  })

  it.each([
    { name: 'ALL', keys: [KEY] },
    { name: 'a\nroot', keys: [KEY] },
    { name: 'root', keys: [KEY] },
  ])('cannot be %j', (one) => {
    expect(base.options.safeParse({ administrators: [one] }).success).toBe(false)
  })
})

describe('the resources of the role', () => {
  it('remove rights first, install packages before they start services, and restrict sshd last', () => {
    const administrators = [
      { name: 'ann', keys: [KEY] },
      { name: 'bob', state: 'absent' },
    ]
    const found = resources({ administrators, adopted_accounts: ['debian'] })
    expect([...new Set(keys(found).map((key) => key.replace(/^sysctl:.*/, 'kernel settings')))]).toEqual([
      ...['file:/etc/sudoers.d/provision-bob', 'authorized-keys:bob', 'file:/etc/ssh/provision-principals/bob', 'user:bob'],
      'foreign-accounts:base',
      ...['package:sudo', 'package:unattended-upgrades'],
      ...['clock-keeper:systemd-timesyncd.service', 'package:systemd-timesyncd', 'package:libpam-pwquality'],
      ...['file:/etc/apt/apt.conf.d/52provision-updates', 'directory:/var/lib/provision-metrics'],
      ...['directory:/var/lib/provision-metrics/upgrades', 'file:/usr/local/lib/provision-upgrade-report'],
      'unit:apt-daily-upgrade.service.d/provision-report.conf',
      ...['directory:/etc/systemd/timesyncd.conf.d', 'file:/etc/systemd/timesyncd.conf.d/50-provision.conf'],
      ...['file:/etc/profile.d/provision-base.sh', 'directory:/etc/systemd/coredump.conf.d'],
      ...['file:/etc/security/limits.d/50-provision.conf', 'file:/etc/systemd/coredump.conf.d/50-provision.conf'],
      ...['directory:/etc/modprobe.d', 'file:/etc/modprobe.d/provision-base.conf'],
      ...['directory:/etc/systemd/journald.conf.d', 'file:/etc/systemd/journald.conf.d/50-provision.conf'],
      'link:/etc/systemd/system/rsyslog.service',
      ...['service:provision-syslog.service', 'file:/etc/rsyslog.d/provision-syslog', 'file:/etc/rsyslog.d/provision-syslog.pem'],
      ...['unit:provision-syslog.service', 'command:delete the buffer of provision-syslog'],
      ...['service:apt-daily.timer', 'service:apt-daily-upgrade.timer', 'service:unattended-upgrades.service'],
      ...['service:systemd-timesyncd.service', 'service:systemd-journald.service', 'kernel settings'],
      ...['user:ann', 'authorized-keys:ann', 'file:/etc/sudoers.d/provision-ann', 'sshd:/etc/ssh/sshd_config.d/00-provision.conf'],
      ...['file:/etc/ssh/provision-authorities.pub', 'file:/etc/security/provision-totp/ann', 'file:/etc/security/provision-totp/bob'],
      'line:/etc/pam.d/sshd#pam_google_authenticator.so',
    ])
    const accounts = found.find(({ kind }) => kind.name === 'foreign-accounts')
    expect(accounts?.spec).toEqual({ declared: ['root', 'ann', 'bob'], adopted: ['debian'] })
    expect(accounts?.kind.orphan).toEqual({ forget: true })
  })

  it('restart the time daemon if its servers change', () => {
    const restarts = (service: 'timesyncd' | 'chrony') =>
      resources({ time: { service, servers: ['ntp1.example.com'] } }).flatMap(({ id, spec }) =>
        /^(systemd-timesyncd|chrony)\.service$/.test(id) && 'restarts' in (spec as object)
          ? (spec as { restarts: readonly { path: string }[] }).restarts.map(({ path }) => path)
          : [],
      )
    expect(restarts('timesyncd')).toEqual(['/etc/systemd/timesyncd.conf.d/50-provision.conf'])
    expect(restarts('chrony')).toEqual(['/etc/chrony/sources.d/provision.sources'])
  })
})

describe('the clock', () => {
  it.each([
    [undefined, undefined, 'systemd-timesyncd'],
    ['chrony', undefined, 'chrony'],
    ['timesyncd', undefined, 'systemd-timesyncd'],
    ['chrony', 'timesyncd', 'systemd-timesyncd'],
    [undefined, 'chrony', 'chrony'],
    ['chrony', 'none', undefined],
  ] as const)('of a host with %s and the option %s is kept by %s', (clock, service, name) => {
    const found = keys(resources({ ...(service && { time: { service } }) }, { ...MACHINE, ...(clock && { clock }) }))
    expect(found.filter((key) => /^package:(chrony|systemd-timesyncd)$/.test(key))).toEqual(name === undefined ? [] : [`package:${name}`])
  })
})

describe('a host whose clock another daemon synchronises', () => {
  const OTHERS = ['systemd-timesyncd.service', 'chrony.service', 'ntpsec.service', 'ntp.service', 'openntpd.service']
  /** The change of a host with this daemon, and the reason for which the run refuses it. */
  const refusal = (service: 'timesyncd' | 'chrony', installed: readonly string[]) => {
    const found = resources({ time: { service } }).find(({ kind }) => kind.name === 'clock-keeper')
    if (found === undefined) throw new Error('not declared')
    const { kind, spec, id } = found
    const query = kind.observe([spec])
    const units = new Map(
      (query.shared?.units ?? []).map((unit) => [unit, new Map([['LoadState', installed.includes(unit) ? 'loaded' : 'not-found']])]),
    )
    const state = query.parse(Buffer.from(''), { ...NOTHING, units }).get(id)
    const change = kind.plan(spec, state, context)
    if (change === undefined) return undefined
    expect(change).toMatchObject({ certainty: 'exact', differences: [] })
    try {
      kind.apply([{ id, spec, state, change }] as never).next()
      return 'applied'
    } catch (error) {
      return `${(error as HostRefusal).name}: ${(error as HostRefusal).what}: ${change.reason}`
    }
  }

  it.each(['timesyncd', 'chrony'] as const)('is not changed to %s', (service) => {
    const own = service === 'chrony' ? 'chrony.service' : 'systemd-timesyncd.service'
    for (const other of OTHERS)
      expect(refusal(service, [own, other])).toBe(
        other === own ? undefined : `HostRefusal: ${own} cannot be installed: ${other} already synchronises the clock of this host`,
      )
    expect(refusal(service, [])).toBeUndefined()
  })
})

describe('accounts that no role declares', () => {
  const notices = (answer: string, options: object = {}): readonly string[] => {
    const found = resources(options).find(({ kind }) => kind.name === 'foreign-accounts')
    const state = found?.kind.observe([found.spec]).parse(Buffer.from(answer), NOTHING).get('base')
    return (found?.kind.notices?.(found.spec, state, context) ?? []).map((what) => what.replace(/ and no role.*/, ''))
  }
  const answer = 'root root\nshell root\nshell debian\nsudo debian\nshell postgres\nsudo ann\nshell deploy\nknown deploy\nend\n'

  it('are named until they are declared or adopted', () => {
    expect(notices(answer)).toEqual(['account debian may become root,', 'account postgres may log in,', 'account ann may become root,'])
    const options = { administrators: [{ name: 'ann', keys: [KEY] }], adopted_accounts: ['debian', 'postgres'] }
    expect(notices(answer, options)).toEqual([])
    const found = resources(options).find(({ kind }) => kind.name === 'foreign-accounts')
    expect(found?.kind.recorded?.(found.spec)).toEqual(['debian', 'postgres'])
    expect(found?.kind.plan(found.spec, [], context)).toBeUndefined()
  })

  it('are not missed because the answer was cut', () => {
    expect(() => notices(answer.slice(0, -4))).toThrow('did not list its accounts')
  })

  it.skipIf(!isRoot)('are those with a shell, the number 0 or rights by sudo', () => {
    const machine = throwaway()
    try {
      machine.run(`printf 'root:x:0:0::/root:/bin/bash\\ntoor:x:0:0::/:/usr/sbin/nologin\\nann:x:1:1:a\\\\:/:/usr/bin/zsh\\nsync:x:4:4::/:/bin/sync\\nbob:x:2:2::/:/usr/sbin/nologin\\n' >/etc/passwd
printf 'sudo:x\\\\:27:bob,carl\\ngames:x:60:eve\\n' >/etc/group; mkdir -p /etc/sudoers.d /var/lib/provision/owned
printf 'Defaults env_reset\\nroot ALL=(ALL) ALL\\n%%sudo ALL=(ALL) ALL\\n# x = y\\n' >/etc/sudoers
printf 'dora ALL=(ALL) NOPASSWD: ALL\\nemil \\\\\\n  ALL=(ALL) ALL\\n%%games \\\\\\n  ALL=(ALL) ALL\\nfay \\\\\\n  \\\\\\n  ALL = ALL\\n' >/etc/sudoers.d/cloud
printf '# {}\\nuser:ann\\nfile:/x /x 1\\n' >/var/lib/provision/owned/web`)
      const found = resources({}).find(({ kind }) => kind.name === 'foreign-accounts')
      const stdout = machine.ask(String(found?.kind.observe([found.spec]).script))
      expect(stdout.toString().split('\n').toSorted()).toEqual([
        '',
        'end',
        'known ann',
        'root root',
        'root toor',
        'shell ann',
        'shell root',
        'sudo bob',
        'sudo carl',
        'sudo dora',
        'sudo emil',
        'sudo fay',
        'sudo root',
      ])
      const powerful = ['toor', 'bob', 'carl', 'dora', 'emil', 'fay']
      expect(notices(stdout.toString())).toEqual(powerful.map((name) => `account ${name} may become root,`))
      // A host that provision does not know yet, without sudo.
      machine.run('rm -r /etc/sudoers /etc/sudoers.d /var/lib/provision')
      const bare = machine.ask(String(found?.kind.observe([found.spec]).script)).toString()
      expect(bare.split('\n').filter((line) => !/^(shell|root) /.test(line))).toEqual(['sudo bob', 'sudo carl', 'end', ''])
    } finally {
      machine.end()
    }
  })
})

describe('a container', () => {
  it('gets no clock service and only kernel settings of the network, with a warning', () => {
    const warnings: string[] = []
    const found = keys(resources({}, { ...MACHINE, container: true }, (what) => warnings.push(what)))
    expect(found).toContain('sysctl:net.ipv4.tcp_syncookies')
    expect(found.filter((key) => /^sysctl:(?!net\.)|timesyncd/.test(key))).toEqual([])
    expect(warnings).toHaveLength(1)
    expect(keys(resources({}))).toEqual(
      expect.arrayContaining(['package:systemd-timesyncd', 'service:systemd-timesyncd.service', 'sysctl:kernel.kptr_restrict']),
    )
  })
})

describe('sshd', () => {
  const settings = (options: object, facts?: Partial<Facts>) =>
    (resources(options, facts).find(({ kind }) => kind.name === 'sshd')?.spec as { settings: Record<string, unknown> } | undefined)
      ?.settings

  it('accepts keys only, and refuses root only if the run uses another account', () => {
    expect(settings({})).toMatchObject({ PasswordAuthentication: 'no', PermitRootLogin: 'prohibit-password' })
    expect(settings({ ssh: { root_login: 'no' } })).toMatchObject({ PermitRootLogin: 'no' })
    expect(faults({ ssh: { root_login: 'no' } }, 'root')).toEqual(['ssh.root_login: root is the account that this run uses'])
    expect(faults({ ssh: { settings: { permitrootlogin: 'no' } } }, 'root')).toEqual([
      'ssh.settings.permitrootlogin: root is the account that this run uses',
    ])
    expect(faults({ ssh: { root_login: 'no' } }, 'ops')).toEqual([])
    expect(settings({ ssh: { enabled: false } })).toBeUndefined()
  })

  it('waits as long as configured for a new connection', () => {
    const spec = resources({ ssh: { confirm_seconds: 7 } }).find(({ kind }) => kind.name === 'sshd')?.spec
    expect(spec).toMatchObject({ confirmSeconds: 7 })
  })

  it('replaces and removes settings in any spelling', () => {
    const found = settings({ ssh: { settings: { maxauthtries: 6, Compression: null, AllowGroups: ['admins'] } } })
    expect(found).toMatchObject({ maxauthtries: 6, AllowGroups: ['admins'] })
    expect(Object.keys(found ?? {})).not.toEqual(expect.arrayContaining(['MaxAuthTries']))
    expect(found).not.toHaveProperty('Compression')
  })

  it('uses the key exchanges that its release supports', () => {
    const exchanges = (distribution: 'debian' | 'ubuntu', release: string) => String(settings({}, { distribution, release })?.KexAlgorithms)
    expect([exchanges('debian', '12'), exchanges('ubuntu', '24.04')].filter((one) => one.includes('mlkem'))).toEqual([])
    for (const [distribution, release] of [
      ['debian', '13'],
      ['ubuntu', '25.10'],
    ] as const)
      expect(exchanges(distribution, release)).toMatch(/^mlkem768x25519-sha256,/)
  })

  it.each([
    ['OpenSSH 9.0', ['sntrup761x25519-sha512@openssh.com', 'curve25519-sha256'], 'sntrup761x25519-sha512@openssh.com'],
    ['OpenSSH 8', ['curve25519-sha256', 'curve25519-sha256@libssh.org', 'ecdh-sha2-nistp256'], 'curve25519-sha256'],
    ['OpenSSH 7.3', ['curve25519-sha256@libssh.org', 'ecdh-sha2-nistp256'], 'curve25519-sha256@libssh.org'],
    ['a client without curves', ['diffie-hellman-group14-sha256', 'diffie-hellman-group16-sha512'], 'diffie-hellman-group16-sha512'],
    ['a client of CNSA', ['ecdh-sha2-nistp384', 'diffie-hellman-group18-sha512'], 'diffie-hellman-group18-sha512'],
    ['a client with weak algorithms only', ['diffie-hellman-group14-sha1', 'ecdh-sha2-nistp256'], undefined],
  ])('agrees with %s on a strong key exchange', (_, offered, chosen) => {
    const accepted = String(settings({})?.KexAlgorithms).split(',')
    expect(offered.find((one) => accepted.includes(one))).toBe(chosen)
  })
})

describe('the options', () => {
  it('add, replace and remove kernel settings', () => {
    const found = resources({ kernel: { 'vm.swappiness': 10, 'kernel.sysrq': 176, 'net.ipv4.tcp_rfc1337': null } })
    const values = new Map(found.filter(({ kind }) => kind.name === 'sysctl').map(({ id, spec }) => [id, spec]))
    expect(values.get('vm.swappiness')).toMatchObject({ value: '10', optional: false })
    expect(values.get('kernel.sysrq')).toMatchObject({ value: '176' })
    expect(values.has('net.ipv4.tcp_rfc1337')).toBe(false)
    expect([...values.keys()].filter((key) => key.includes('forward'))).toEqual([])
  })

  it('exclude databases from automatic updates, and reboot only at a configured time', () => {
    const path = '/etc/apt/apt.conf.d/52provision-updates'
    const text = textOf(resources({ updates: { except: ['^nginx'] } }), path)
    expect(text).toMatch(/Package-Blacklist \{\n {2}"\^mariadb";\n {2}"\^galera";[^}]*"\^nginx";\n\}/)
    expect(text).toContain('Automatic-Reboot "false";')
    expect(textOf(resources({ updates: { reboot: '04:30' } }), path)).toContain('Automatic-Reboot-Time "04:30";')
    const ubuntu = textOf(resources({}, { ...MACHINE, distribution: 'ubuntu', release: '24.04' }), path)
    expect(ubuntu).toContain('"origin=Ubuntu,archive=$' + '{distro_codename}-security,label=Ubuntu";')
    expect(ubuntu).not.toContain('Debian')
  })

  it('reboot the hosts of a site one after the other', () => {
    const times = (count: number, spread: number, name = 'web') => {
      const hosts = Array.from({ length: count }, (_, i) => `${name}-${i}`)
      return hosts.map((one) => rebootTime('23:30', spread, one, hosts))
    }
    const minutes = (time: string): number => (Number(time.slice(0, 2)) * 60 + Number(time.slice(3)) + 30) % 1440
    for (const [count, apart] of [
      [3, 20],
      [7, 5],
      [40, 1],
    ] as const) {
      const sorted = times(count, 60)
        .map(minutes)
        .toSorted((a, b) => a - b)
      expect(Math.min(...sorted.slice(1).map((one, i) => one - (sorted[i] ?? 0)))).toBeGreaterThanOrEqual(apart)
      expect(Math.max(...sorted)).toBeLessThan(60)
    }
    // As many hosts as there are slots have one each, as far apart as possible.
    for (const count of [1, 2, 3, 4, 6, 12, 30, 60])
      expect(
        times(count, 60)
          .map(minutes)
          .toSorted((a, b) => a - b),
      ).toEqual(Array.from({ length: count }, (_, i) => (i * 60) / count))
    expect(times(1, 60)).toEqual(['23:30'])
    expect(new Set(times(3, 0))).toEqual(new Set(['23:30']))
    // Two hundred hosts share sixty minutes evenly.
    const shares = Map.groupBy(times(200, 60), (one) => one)
    expect([shares.size, Math.max(...[...shares.values()].map(({ length }) => length))]).toEqual([60, 4])
    // The order of the inventory does not matter, and a host that is not in the list gets a slot all the same.
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
    const at = (one: string, hosts = names) => rebootTime('00:00', 60, one, hosts)
    expect(names.map((one) => at(one, names.toReversed()))).toEqual(names.map((one) => at(one)))
    expect(names.map((one) => at(one))).not.toContain(at('h'))
    // FNV-1a of `a` is e40c292c: http://www.isthe.com/chongo/src/fnv/test_fnv.c
    expect(at('a')).toBe(`00:${(0xe40c292c % 12) * 5}`)
    const other = { ...host, name: 'db' }
    const text = (own: HostView) =>
      textOf(
        base.resources({
          ...{ options: base.options.parse({ updates: { reboot: '04:30' } }), facts: MACHINE, host: own, warn: () => {} },
          site: { ...site, withRole: () => [host, other] },
        } as unknown as Parameters<typeof base.resources>[0]),
        '/etc/apt/apt.conf.d/52provision-updates',
      )
    expect(text(host)).toContain('Automatic-Reboot "true";')
    expect(text(host)).not.toBe(text(other))
  })

  it('select the time daemon', () => {
    expect(keys(resources({ time: { service: 'none' } })).filter((key) => /clock|timesync|chrony/.test(key))).toEqual([])
    const chrony = resources({ time: { service: 'chrony', servers: ['ntp1.example.com'] } })
    expect(keys(chrony)).toEqual(expect.arrayContaining(['clock-keeper:chrony.service', 'package:chrony', 'service:chrony.service']))
    expect(textOf(chrony, '/etc/chrony/sources.d/provision.sources')).toContain('server ntp1.example.com iburst\n')
  })

  it.each([
    { updates: { reboot: '4am' } },
    { updates: { except: ['x";\nAPT::Periodic::Enable "0'] } },
    { updates: { except: ['['] } },
    { time: { servers: ['a b'] } },
    { kernel: { '../etc/passwd': 1 } },
    { kernel: { ' vm.swappiness': 1 } },
    { kernel: { 'vm.swappiness evil': 1 } },
    { journal: { max_use: '1G\nStorage=none' } },
    { journal: { max_use: 'x1G' } },
    { journal: { retention: 'x90day' } },
    { journal: { retention: '90days' } },
    { journal: { burst: 0 } },
    { sessions: { idle_logout: 59 } },
    { adopted_accounts: ['a b'] },
    { adopted_accounts: ['x a'] },
    { blocked_modules: ['a/b'] },
    { time: { servers: ['-x'] } },
    { kernel: { swappiness: 1 } },
    { ssh: { confirm_seconds: 4 } },
    { blocked_modules: ['a b'] },
  ])('reject %j', (options) => {
    expect(base.options.safeParse(options).success).toBe(false)
  })
})
