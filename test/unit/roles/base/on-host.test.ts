import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import base from '../../../../roles/base/role.ts'
import type { Facts, HostView } from '../../../../src/role/role.ts'
import { isRoot, type Throwaway, throwaway } from '../../resource/account/throwaway.ts'

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ/LMZhCtfW8cBGGJhmlfUfVYDdiX08PBo+cxJAJjF4C me'
const context = (options: object, more: Partial<Facts> = {}) => {
  const facts: Partial<Facts> = { distribution: 'debian', release: '12', container: false, ...more }
  const host = { name: 'web', user: 'ops' } as HostView
  const site = { hosts: [host], group: () => [host], withRole: () => [host] }
  return { options: base.options.parse(options), facts, host, site, flows: [], warn: () => {} } as unknown as Parameters<
    typeof base.resources
  >[0]
}
const check = (name: string, options: object = {}): string => {
  const found = base.verify?.(context(options)).find((one) => one.name === name)
  if (found === undefined) throw new Error(`no check ${name}`)
  return String(found.script)
}
const names = (options: object): readonly string[] => (base.verify?.(context(options)) ?? []).map(({ name }) => name)
const textOf = (path: string, options: object = {}, facts: Partial<Facts> = {}): string | undefined => {
  const spec = base.resources(context(options, facts)).find(({ id }) => id === path)?.spec as {
    state: string
    content: { parts: readonly string[] }
  }
  return spec.state === 'absent' ? undefined : spec.content.parts.join('')
}

describe.skipIf(!isRoot)('checks of the base role on a host', () => {
  let host: Throwaway
  beforeAll(() => {
    host = throwaway()
  })
  afterAll(() => host?.end())
  beforeEach(() => {
    host.run(`rm -rf "$BIN"/* "$T"/sys "$T"/container; mkdir "$T"/sys`)
    host.prelude = ''
  })
  const stub = (program: string, body: string): string =>
    host.run(`cat >"$BIN"/${program} <<'END-OF-STUB'\n#!/bin/sh\n${body}\nEND-OF-STUB\nchmod 755 "$BIN"/${program}`)
  /** systemd-detect-virt, which prints what it detects unless it is asked not to, and which detects virtual machines as well. */
  const IN_CONTAINER = `case " $* " in *' --quiet '*) ;; *) echo kvm ;; esac; case " $* " in *' --container '*) [ -e "$T/container" ] ;; esac`
  const verdict = (script: string): string => {
    const { code, stdout } = host.shell(script)
    return `${code} ${stdout.toString().trim()}`.trim()
  }

  it('compare the settings of sshd with what it uses', () => {
    const found = check('sshd settings are in force')
    const lines = ['permitrootlogin without-password', 'passwordauthentication no', 'x11forwarding no']
    stub('sshd', `[ "$*" = -T ] && cat "$T/active"`)
    const wanted =
      /for line in (.*); do/
        .exec(found)?.[1]
        ?.match(/'[^']*'/g)
        ?.map((word) => word.slice(1, -1)) ?? []
    expect(wanted).toEqual(expect.arrayContaining(['passwordauthentication no', 'permittunnel no']))
    // sshd prints these in another notation: `without-password`, times, lists.
    expect(wanted.filter((line) => /^(permitrootlogin|logingracetime|clientaliveinterval|allowgroups)/.test(line))).toEqual([])
    host.run(`cat >"$T/active" <<'END'\n${[...lines, ...wanted].join('\n')}\nEND`)
    expect(verdict(found)).toBe('0')
    host.run(`sed -i 's/^passwordauthentication no/passwordauthentication yes/' "$T/active"`)
    expect(verdict(found)).toBe('1 sshd -T does not print: passwordauthentication no')
    stub('sshd', 'exit 255')
    expect(verdict(found)).toBe('1')
    expect(names({ ssh: { enabled: false } })).not.toContain('sshd settings are in force')
    expect(check('sshd settings are in force', { ssh: { settings: { PasswordAuthentication: 'yes' } } })).not.toContain(
      'passwordauthentication',
    )
  })

  it('ask sshd from outside which methods it accepts', () => {
    const found = check('sshd accepts keys only')
    stub('sshd', `[ "$*" = -T ] && printf 'acceptenv LANG\\nport 2222\\nport 22\\n'`)
    // ssh itself explains how it reads its arguments.
    stub('ssh', `/usr/bin/ssh -G "$@" >"$T/asked"; echo "nobody@127.0.0.1: Permission denied ($METHODS)." >&2; exit 255`)
    expect(verdict(`export METHODS=publickey\n${found}`)).toBe('0 nobody@127.0.0.1: Permission denied (publickey).')
    expect(host.run('cat "$T/asked"').split('\n')).toEqual(
      expect.arrayContaining([
        ...['user nobody', 'hostname 127.0.0.1', 'port 2222', 'batchmode yes', 'stdinnull yes', 'preferredauthentications none'],
        ...['stricthostkeychecking false', 'userknownhostsfile /dev/null'],
      ]),
    )
    expect(verdict(`export METHODS=publickey,password\n${found}`)).toBe('1')
    for (const keyword of ['PasswordAuthentication', 'KbdInteractiveAuthentication'])
      expect(names({ ssh: { settings: { [keyword]: 'yes' } } })).not.toContain('sshd accepts keys only')
  })

  it('compare kernel settings with what is in force', () => {
    const kernel = { 'vm.swappiness': 10, 'kernel.sysrq': null, 'net/ipv4/conf/eth0.100/mtu': 9, 'net.ipv4.tcp_rmem': '4096 131072' }
    const found = check('kernel settings are in force', { kernel })
    stub('systemd-detect-virt', IN_CONTAINER)
    host.prelude = 'mount --bind "$T/sys" /proc/sys'
    host.run(`for i in a b; do mkdir -p "$T"/sys/net/ipv4/conf/$i; echo 2 >"$T"/sys/net/ipv4/conf/$i/rp_filter; done
mkdir -p "$T"/sys/vm "$T"/sys/kernel; echo 10 >"$T"/sys/vm/swappiness; echo 176 >"$T"/sys/kernel/sysrq; printf '|/bin/false\\n' >"$T"/sys/kernel/core_pattern
mkdir "$T"/sys/net/ipv4/conf/eth0.100; echo 9 >"$T"/sys/net/ipv4/conf/eth0.100/mtu; printf '4096\\t131072\\n' >"$T"/sys/net/ipv4/tcp_rmem`)
    expect(verdict(found)).toBe('0')
    host.run(`echo 1 >"$T"/sys/net/ipv4/conf/b/rp_filter; echo 60 >"$T"/sys/vm/swappiness; echo 8 >"$T"/sys/net/ipv4/conf/eth0.100/mtu`)
    const wrong = ['net/ipv4/conf/b/rp_filter is 1', 'vm/swappiness is 60', 'net/ipv4/conf/eth0.100/mtu is 8'].map(
      (one) => `/proc/sys/${one}`,
    )
    expect(verdict(found)).toBe(`1 ${wrong.join('\n')}`)
    host.run(': >"$T/container"')
    expect(verdict(found)).toBe(`1 ${wrong.filter((one) => !one.includes('/vm/')).join('\n')}`)
    expect(check('kernel settings are in force', { core_dumps: true })).not.toContain('core_pattern')
  })

  it('find out who may become root', () => {
    const people = [
      { name: 'ann', keys: [KEY] },
      { name: 'bob', keys: [KEY], sudo: 'none' },
      { name: 'eve', state: 'absent' },
    ]
    const find = (name: string) => check(name, { administrators: people })
    stub('setpriv', `echo "$*" >>"$T/calls"; case $* in "--reuid $ROOT --clear-groups sudo -n true") exit 0 ;; *) exit 1 ;; esac`)
    stub('getent', 'case $* in "passwd eve") [ -e "$T/eve" ] ;; *) exit 2 ;; esac')
    expect(['ann', 'x'].map((root) => verdict(`export ROOT=${root}\n${find('ann may become root')}`))).toEqual(['0', '1'])
    expect(['bob', 'x'].map((root) => verdict(`export ROOT=${root}\n${find('bob may not become root')}`))).toEqual(['1', '0'])
    expect(verdict(find('account eve does not exist'))).toBe('0')
    host.run(': >"$T/eve"')
    expect(verdict(find('account eve does not exist'))).toBe('1')
  })

  it('find out whether security updates, and no others, are installed', () => {
    const found = check('security updates, and no others, are installed automatically')
    const origins = (label: string) => `Unattended-Upgrade::Origins-Pattern:: "origin=Debian,label=${label}";`
    stub(
      'systemctl',
      'case $* in "is-active --quiet $STOPPED") exit 3 ;; "is-active --quiet apt-daily"*.timer) exit 0 ;; *) exit 4 ;; esac',
    )
    stub('unattended-upgrade', 'exit 0')
    stub('apt-config', `printf '%s\\n' 'APT::Periodic::Unattended-Upgrade "'"$DAILY"'";' "$ORIGINS"`)
    const on = (more: string) => verdict(`export DAILY=1 STOPPED=none ORIGINS='${origins('Debian-Security')}' ${more}\n${found}`)
    expect(on('')).toBe('0')
    for (const more of ['STOPPED=apt-daily-upgrade.timer', 'STOPPED=apt-daily.timer', 'DAILY=0', `ORIGINS='${origins('Debian')}'`])
      expect(on(more)).not.toMatch(/^0/)
    expect(names({ updates: { enabled: false } })).not.toContain('security updates, and no others, are installed automatically')
  })

  it('include the settings that apt itself reads', () => {
    const config = (options: object, facts?: Partial<Facts>): string => {
      const text = textOf('/etc/apt/apt.conf.d/52provision-updates', { updates: options }, facts) ?? ''
      host.run(`rm -f /etc/apt/apt.conf.d/*; cat >/etc/apt/apt.conf.d/52provision-updates <<'END'\n${text}\nEND`)
      return host.run('apt-config dump')
    }
    const daily = ['Enable', 'Update-Package-Lists', 'Unattended-Upgrade'].map((name) => `APT::Periodic::${name} "1";`)
    for (const line of [...daily, 'APT::Periodic::AutocleanInterval "7";', 'Unattended-Upgrade::Remove-Unused-Kernel-Packages "true";'])
      expect(config({})).toContain(line)
    expect(config({ except: ['^nginx'] }).match(/Package-Blacklist:: .*/g)).toEqual(
      ['^mariadb', '^galera', '^mysql', '^percona', '^nginx'].map((name) => `Package-Blacklist:: "${name}";`),
    )
    const origins = config({}).match(/Origins-Pattern:: .*/g)
    expect(origins).toHaveLength(2)
    expect(origins?.every((line) => line.includes('label=Debian-Security'))).toBe(true)
    // The archives of Ubuntu itself, of its applications and of its long-term support, which have no update but security.
    const ubuntu = config({}, { distribution: 'ubuntu' }).match(/Origins-Pattern:: .*/g) ?? []
    expect(ubuntu.map((line) => /origin=(\w+),archive=\$\{distro_codename\}-(\S+-)?security[,"]/.exec(line)?.[1])).toEqual([
      ...['Ubuntu', 'UbuntuESMApps', 'UbuntuESM'],
    ])
    expect(config({})).toContain('Automatic-Reboot "false";')
    expect(config({ reboot: '04:30' })).toContain('Automatic-Reboot "true";')
  })

  it('leave the clock of a container to its machine', () => {
    const found = check('the clock is synchronised')
    stub('systemd-detect-virt', IN_CONTAINER)
    stub('timedatectl', '[ "$*" = "show -P NTPSynchronized" ] && echo "$SYNCED"')
    expect(['yes', 'no'].map((synced) => verdict(`export SYNCED=${synced}\n${found}`))).toEqual(['0', '1'])
    host.run(': >"$T/container"')
    expect(verdict(`export SYNCED=no\n${found}`)).toBe('77')
    expect(names({ time: { service: 'none' } })).not.toContain('the clock is synchronised')
  })

  it('give sessions a limit of idle time, and no core dumps', () => {
    const session = (options: object): string => {
      const text = textOf('/etc/profile.d/provision-base.sh', options)
      host.run(`cat >"$T/profile" <<'END'\n${text ?? ''}\nEND`)
      return host.run(`ulimit -c unlimited; . "$T/profile"; echo "\${TMOUT-none} $(ulimit -c) $(env | grep -c TMOUT || true)"`).trim()
    }
    expect(session({})).toBe('3600 0 0')
    expect(session({ sessions: { idle_logout: 120 }, core_dumps: true })).toBe('120 unlimited 0')
    expect(session({ sessions: { idle_logout: false } })).toBe('none 0 0')
    expect(textOf('/etc/profile.d/provision-base.sh', { sessions: { idle_logout: false }, core_dumps: true })).toBeUndefined()
  })
})

describe('the settings that the README promises', () => {
  const readme = readFileSync(new URL('../../../../roles/base/README.md', import.meta.url), 'utf8')
  const rowsAfter = (head: string): readonly string[] => readme.slice(readme.indexOf(head)).split('\n\n')[0]?.split('\n').slice(2) ?? []

  it('are all kernel settings of the role', () => {
    const promised = rowsAfter('| settings | values | from |').flatMap((row) => {
      const [, first = '', values = ''] = row.split('|')
      const prefix = /`([^`]+)`/.exec(first)?.[1]
      return [...values.matchAll(/`([^`]+)` (\d+)/g)].map(([, name = '', value = '']) => [
        prefix === undefined ? name : `${prefix}.${name}`,
        value,
      ])
    })
    const declared = base
      .resources(context({ core_dumps: true }))
      .flatMap(({ kind, id, spec }) => (kind.name === 'sysctl' ? [[id, (spec as { value: string }).value]] : []))
    expect(declared.toSorted()).toEqual(promised.toSorted())
    const dumps = base.resources(context({})).find(({ id }) => id === 'kernel.core_pattern')
    expect(dumps?.spec).toMatchObject({ value: '|/bin/false' })
  })

  it('are settings of sshd', () => {
    const promised = rowsAfter('| settings | from |\n').flatMap((row) =>
      [...(row.split('|')[1] ?? '').matchAll(/((?:`[A-Z]\w+`(?:, )?)+) (\w+)/g)].flatMap(([, names = '', value = '']) =>
        [...names.matchAll(/`(\w+)`/g)].map(([, name = '']) => [name, value] as const),
      ),
    )
    expect(promised.length).toBeGreaterThan(15)
    const found = base.resources(context({})).find(({ kind }) => kind.name === 'sshd')?.spec as { settings: Record<string, unknown> }
    expect(Object.entries(found.settings).map(([name, value]) => [name, String(value)])).toEqual(expect.arrayContaining(promised))
    const algorithms = ['KexAlgorithms', 'Ciphers', 'MACs', 'HostKeyAlgorithms', 'PermitRootLogin']
    expect(Object.keys(found.settings).toSorted()).toEqual([...promised.map(([name]) => name), ...algorithms].toSorted())
  })
})

describe('the files of the base role', () => {
  const resources = (options: object) => base.resources(context(options))
  const keys = (options: object) => resources(options).map(({ kind, id }) => `${kind.name}:${id}`)

  it('limit the journal, which is restarted for a change', () => {
    const lines = textOf('/etc/systemd/journald.conf.d/50-provision.conf', {
      journal: { max_use: '2G', keep_free: '3G', retention: '7day', burst: 5 },
    })?.split('\n')
    const wanted = [
      '[Journal]',
      'Storage=persistent',
      'Compress=yes',
      'SystemMaxUse=2G',
      'SystemKeepFree=3G',
      'MaxRetentionSec=7day',
      'RateLimitIntervalSec=30s',
      'RateLimitBurst=5',
    ]
    expect(lines).toEqual(expect.arrayContaining(wanted))
    const daemon = resources({}).find(({ id }) => id === 'systemd-journald.service')?.spec as { restarts: readonly { path: string }[] }
    expect(daemon.restarts).toMatchObject([{ path: '/etc/systemd/journald.conf.d/50-provision.conf' }])
  })

  it('block rare modules and core dumps, unless they are allowed', () => {
    expect(
      textOf('/etc/modprobe.d/provision-base.conf', { blocked_modules: ['dccp', 'x_1'] })
        ?.split('\n')
        .slice(1),
    ).toEqual(['install dccp /bin/false', 'install x_1 /bin/false', ''])
    expect(textOf('/etc/modprobe.d/provision-base.conf')).toContain('install firewire-core /bin/false\n')
    const dumps = ['/etc/security/limits.d/50-provision.conf', '/etc/systemd/coredump.conf.d/50-provision.conf']
    expect(dumps.map((path) => textOf(path)?.split('\n').slice(1))).toEqual([
      ['* hard core 0', 'root hard core 0', ''],
      ['[Coredump]', 'Storage=none', 'ProcessSizeMax=0', ''],
    ])
    expect(dumps.map((path) => textOf(path, { core_dumps: true }))).toEqual([undefined, undefined])
  })

  it('require strong passwords, unless they are excluded', () => {
    expect(keys({})).toContain('package:libpam-pwquality')
    expect(keys({ sessions: { password_quality: false } })).not.toContain('package:libpam-pwquality')
  })

  it('give sudo to administrators in the syntax of sudoers', () => {
    expect(
      textOf('/etc/sudoers.d/provision-ann', { administrators: [{ name: 'ann', keys: [KEY] }] })
        ?.split('\n')
        .slice(1),
    ).toEqual(['ann ALL=(ALL:ALL) NOPASSWD: ALL', ''])
    expect(keys({})).not.toContain('package:sudo')
  })

  it('name time servers where the daemon reads them', () => {
    const timesyncd = '/etc/systemd/timesyncd.conf.d/50-provision.conf'
    expect(
      textOf(timesyncd, { time: { servers: ['a', 'b'] } })
        ?.split('\n')
        .slice(1),
    ).toEqual(['[Time]', 'NTP=a b', ''])
    expect(textOf(timesyncd)).toBeUndefined()
    expect(textOf('/etc/chrony/sources.d/provision.sources', { time: { service: 'chrony', servers: ['a', 'b'] } })).toContain(
      'server a iburst\nserver b iburst\n',
    )
    expect(textOf('/etc/chrony/sources.d/provision.sources', { time: { service: 'chrony' } })).toBeUndefined()
  })

  it('turn automatic updates off', () => {
    expect(textOf('/etc/apt/apt.conf.d/52provision-updates', { updates: { enabled: false } })).toBeUndefined()
    expect(keys({ updates: { enabled: false } })).not.toContain('package:unattended-upgrades')
    expect(keys({})).toEqual(
      expect.arrayContaining(['service:apt-daily.timer', 'service:apt-daily-upgrade.timer', 'service:unattended-upgrades.service']),
    )
  })
})
