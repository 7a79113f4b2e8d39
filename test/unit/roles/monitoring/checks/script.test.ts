import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checksScript } from '../../../../../roles/monitoring/checks/script.ts'

/** Programs that the checks call, as answers of a host. */
const PROGRAMS = {
  setpriv: 'echo "$@" >>"$HOST/plainly"; while :; do case $1 in --*) shift;; *) break;; esac; done; exec "$@"',
  dpkg: `echo '??5??????   /usr/bin/ls'; echo '??5?????? c /etc/issue'; echo '??5??????   /usr/share/doc/ls/copyright'; exit 1`,
  'apt-get': `echo 'Inst openssl [1] (2 Debian-Security:12/stable [amd64])'; echo 'Inst nano [1] (2 Debian:12/stable [amd64])'; echo 'Conf nano'`,
  journalctl: `while [ $# -gt 0 ]; do case $1 in -t) logs="$logs $2";; --cursor-file=*) echo "s=1" >"\${1#*=}";; esac; shift; done; for log in $logs; do cat "$HOST/log.$log" 2>/dev/null; done; :`,
  nft: `printf '\\tcounter drop_input {\\n\\t\\tpackets 7 bytes 420\\n\\t}\\n\\tcounter in_ssh {\\n\\t\\tpackets 9 bytes 1\\n\\t}\\n'`,
  ss: 'cat "$HOST/sockets"',
  getent: '[ "$2" = sudo ] && echo "sudo:x:27:ann,eve"; :',
  openssl: `cat >/dev/null; echo 'notBefore=Jan  1 00:00:00 2026 GMT'; echo 'notAfter=Jan  2 00:00:00 2026 GMT'`,
  reader: `case $1 in owned) cat >"$HOST/given"; printf 'changed\\t/etc/a "b"\\n'; echo watched 3;; text) echo pem;; esac`,
  flock: 'exit "$(cat "$HOST/lock" 2>/dev/null || echo 0)"',
} as const

const SOCKETS = [
  'tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=1,fd=3))',
  'tcp LISTEN 0 128 [::]:22 [::]:* users:(("sshd",pid=1,fd=4))',
  'tcp LISTEN 0 128 127.0.0.1:5432 0.0.0.0:*',
  'tcp LISTEN 0 128 [::1]:5432 [::]:*',
  'tcp LISTEN 0 128 [::ffff:127.0.0.1]:5433 *:*',
  'udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:*',
  'udp UNCONN 0 0 0.0.0.0:68 0.0.0.0:*',
  'udp UNCONN 0 0 0.0.0.0:61000 0.0.0.0:*',
  'udp UNCONN 0 0 0.0.0.0:161 0.0.0.0:* users:(("snm"pd",pid=7,fd=3))',
  'tcp LISTEN 0 5 10.0.0.1:4444 0.0.0.0:* users:(("nc",pid=9,fd=3))',
  'tcp LISTEN 0 5 [fd00::1]:4444 [::]:* users:(("nc",pid=9,fd=4))',
].map((line) => `${line}\n`)

let root = ''
const at = (...path: readonly string[]) => join(root, ...path)
const write = (path: string, content: string) => writeFileSync(at(path), content)

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'provision-checks-'))
  for (const name of ['bin', 'state', 'owned', 'ssh', 'ssh/sshd_config.d', 'sudoers.d', 'run']) mkdirSync(at(name))
  for (const [name, script] of Object.entries(PROGRAMS)) program(name, script)
  write('sockets', SOCKETS.join(''))
  write(
    'passwd',
    'root:x:0:0::/root:/bin/bash\nann:x:1000:1000::/:/bin/bash\nmallory:x:1001:1001::/:/bin/zsh\nwww:x:33:33::/:/usr/sbin/nologin\ntoor:x:0:0::/:/bin/false\n',
  )
  write('sudoers', 'Defaults env_reset\nroot ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL) ALL\n')
  write('sudoers.d/own', '# none \\\ncarl ALL=(ALL) NOPASSWD: ALL\ndora \\\n  ALL=(ALL) \\\n  ALL\n')
  write(
    'owned/base',
    'user:ann\nsysctl:net.no.such disk\ncertificate:/x /etc/ssl/site.pem disk\ncertificate:/x /etc/ssl/site.pem.key disk\n',
  )
  write('ssh/sshd_config', 'Port 22\n')
  // The host was checked before.
  write('state/ssh.count', '0\n')
  write('ephemeral', '32768\t60999\n')
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const program = (name: string, script: string): void => {
  write(`bin/${name}`, `#!/bin/sh\n${script}\n`)
  chmodSync(at('bin', name), 0o755)
}

const run = (balancer = true) => {
  const script = checksScript({ ports: ['22/tcp'], users: ['root', 'ops'], balancer, reader: at('bin/reader') })
    .replace('PATH=/usr/sbin', `PATH=${at('bin')}:/usr/sbin`)
    .replaceAll('/var/lib/provision/owned', at('owned'))
    .replaceAll('/etc/ssh/', `${at('ssh')}/`)
    .replaceAll('/etc/passwd', at('passwd'))
    .replaceAll('/etc/haproxy/certificates.list', at('listed'))
    .replaceAll('/etc/sudoers', at('sudoers'))
    .replaceAll('/sys/fs/cgroup', at('cgroup'))
    .replaceAll('/proc/sys/net/ipv4/ip_local_port_range', at('ephemeral'))
    .replaceAll(/\/run\/(provision.lock|reboot-required)/g, `${at('run')}/$1`)
  const env = { ...process.env, STATE_DIRECTORY: at('state'), HOST: root }
  const { status, stdout, stderr } = spawnSync('sh', ['-c', script], { encoding: 'utf8', env })
  const metrics = new Map(
    stdout.split('\n').flatMap((line): [string, string][] => {
      const [, name, value] = /^([^#].*) (\S+)$/.exec(line) ?? []
      return name === undefined || value === undefined ? [] : [[name, value]]
    }),
  )
  // The node exporter rejects a file whose metrics have no type, or one of another kind.
  const types = new Map([...stdout.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]))
  for (const name of metrics.keys()) {
    const family = name.replace(/\{.*/, '').replace(/(_seconds)_(bucket|sum|count)$/, '$1')
    const type = family.endsWith('_total') ? 'counter' : family === 'provision_site_response_seconds' ? 'histogram' : 'gauge'
    expect([name, types.get(family)]).toEqual([name, type])
  }
  return { status, stdout, stderr, metrics, named: (name: string) => [...metrics.keys()].filter((one) => one.startsWith(name)) }
}

describe('the checks of a host', { timeout: 20_000 }, () => {
  it('report every finding once, and nothing that roles and options declare', () => {
    const { status, stderr, named, metrics, stdout } = run()
    expect([status, stderr]).toEqual([0, ''])
    expect(named('provision_file_wrong')).toEqual(['provision_file_wrong{what="changed",path="/etc/a b"}'])
    expect(metrics.get('provision_files_watched')).toBe('3')
    // Kernel settings that this kernel does not have are no missing files.
    expect(readFileSync(at('given'), 'utf8')).not.toContain('net.no.such')
    expect(named('provision_package_file_wrong')).toEqual(['provision_package_file_wrong{path="/usr/bin/ls"}'])
    expect(named('provision_port_unknown')).toEqual([
      'provision_port_unknown{port="161/udp",program="snmpd"}',
      'provision_port_unknown{port="4444/tcp",program="nc"}',
    ])
    expect(named('provision_account_unknown').toSorted()).toEqual(
      ['carl" ,may="sudo', 'dora" ,may="sudo', 'eve" ,may="sudo', 'mallory" ,may="shell', 'toor" ,may="root'].map(
        (one) => `provision_account_unknown{user="${one.replace(' ', '')}"}`,
      ),
    )
    expect(metrics.get('provision_firewall_present')).toBe('1')
    expect(metrics.get('provision_firewall_dropped_packets_total{reason="input"}')).toBe('7')
    expect(named('provision_firewall_dropped')).toHaveLength(1)
    expect(metrics.get('provision_certificate_begins_seconds{path="/etc/ssl/site.pem"}')).toBe(String(Date.UTC(2026, 0, 1) / 1000))
    expect(metrics.get('provision_certificate_ends_seconds{path="/etc/ssl/site.pem"}')).toBe(String(Date.UTC(2026, 0, 2) / 1000))
    expect(named('provision_certificate_ends')).toHaveLength(1)
    expect(Number(metrics.get('provision_checks_done_seconds'))).toBeCloseTo(Date.now() / 1000, -1)
    for (const [, name] of stdout.matchAll(/^# TYPE (\S+)/gm)) expect(stdout.split(`# TYPE ${name} `)).toHaveLength(2)
  })

  it('remember since when a security update has been pending', () => {
    const first = run()
    expect(first.metrics.get('provision_updates_pending{kind="security"}')).toBe('1')
    expect(first.metrics.get('provision_updates_pending{kind="other"}')).toBe('1')
    // Other updates may wait.
    expect(readFileSync(at('state/since'), 'utf8')).toMatch(/^\d+ openssl\n$/)
    write(
      'state/since',
      readFileSync(at('state/since'), 'utf8').replace(/^\d+/, (since) => String(Number(since) - 500)),
    )
    const old = new Date(Date.now() - 3_600_000)
    utimesSync(at('state/updates'), old, old)
    expect(Number(run().metrics.get('provision_security_update_waiting_seconds'))).toBeGreaterThanOrEqual(500)
    // An apt that fails is no answer.
    utimesSync(at('state/updates'), old, old)
    program('apt-get', 'exit 100')
    expect(run().metrics.get('provision_updates_pending{kind="security"}')).toBe('1')
    utimesSync(at('state/updates'), old, old)
    program('apt-get', 'exit 0')
    const updated = run()
    expect(updated.metrics.get('provision_updates_pending{kind="security"}')).toBe('0')
    expect(updated.metrics.get('provision_security_update_waiting_seconds')).toBe('0')
  })

  it('ask dpkg and apt once an hour', () => {
    run()
    program('dpkg', 'exit 0')
    program('apt-get', 'exit 0')
    const { named, metrics } = run()
    expect(named('provision_package_file_wrong')).toHaveLength(1)
    expect(metrics.get('provision_updates_pending{kind="other"}')).toBe('1')
  })

  it('report a dpkg that fails', () => {
    program('dpkg', 'exit 2')
    expect(run().named('provision_package_file_wrong')).toEqual(['provision_package_file_wrong{path="/usr/bin/dpkg (--verify failed)"}'])
  })

  it('fail instead of reporting no ports, if the ports cannot be read', () => {
    program('ss', 'echo no netlink >&2; exit 1')
    const { status, stdout, stderr } = run()
    expect([status === 0, stderr]).toEqual([false, 'no netlink\n'])
    expect(stdout).not.toContain('provision_checks_done_seconds')
  })

  it('fail if the record of managed files cannot be compared', () => {
    program('reader', 'exit 1')
    expect(run().status).not.toBe(0)
  })

  it('report a missing firewall and a pending reboot', () => {
    program('nft', 'exit 1')
    write('run/reboot-required', '')
    const { metrics } = run()
    expect(metrics.get('provision_firewall_present')).toBe('0')
    expect(metrics.get('provision_reboot_required')).toBe('1')
    rmSync(at('run/reboot-required'))
    expect(run().metrics.get('provision_reboot_required')).toBe('0')
  })

  it('count failed logins from the last position in the journal on', () => {
    write(
      'log.sshd',
      [
        'Failed password for root',
        'Accepted publickey for ann',
        'Connection closed by invalid user x',
        'Disconnected from user ann',
        '',
      ].join('\n'),
    )
    expect(run().metrics.get('provision_ssh_failures_total')).toBe('2')
    expect(run().metrics.get('provision_ssh_failures_total')).toBe('4')
    // A position that the journal has lost.
    program('journalctl', 'exit 1')
    expect(run().metrics.get('provision_ssh_failures_total')).toBe('4')
    expect(() => readFileSync(at('state/ssh.cursor'))).toThrow('ENOENT')
  })

  it('count response times of visitors on balancers', () => {
    const request = (proxy: string, timers: string) =>
      `10.0.0.1:5 [1/Jan/2026:00:00:00.000] ${proxy} web/web-01 ${timers} 200 100 - - ---- 1/1/0/0/0 0/0 "GET / HTTP/1.1"\n`
    write(
      'log.haproxy',
      `${request('https~', '0/0/1/2/3')}${request('once', '0/0/0/0/600')}${request('stats', '0/0/1/2/3')}Server web/web-01 is UP\n${request('https', '0/0/0/0/20000')}`,
    )
    const { metrics } = run()
    const bucket = (le: string) => metrics.get(`provision_site_response_seconds_bucket{le="${le}"}`)
    expect([bucket('0.005'), bucket('0.5'), bucket('1'), bucket('10'), bucket('+Inf')]).toEqual(['1', '1', '2', '2', '3'])
    expect(metrics.get('provision_site_response_seconds_count')).toBe('3')
    expect(Number(metrics.get('provision_site_response_seconds_sum'))).toBeCloseTo(20.603)
    expect(run(false).named('provision_site_response')).toEqual([])
  })

  it('compare the configuration of sshd with that after the last run', () => {
    const changed = () => run().metrics.get('provision_sshd_changed')
    expect(changed()).toBe('0')
    write('ssh/sshd_config.d/own.conf', 'PermitRootLogin yes\n')
    expect(changed()).toBe('1')
    const later = new Date(Date.now() + 5000)
    utimesSync(at('owned/base'), later, later)
    expect(changed()).toBe('0')
  })

  it('leave the results about files as they were during a run', () => {
    run()
    write('run/provision.lock', '')
    write('lock', '1')
    program('reader', `case $1 in owned) echo watched 9;; esac`)
    expect(run().metrics.get('provision_files_watched')).toBe('3')
    write('lock', '0')
    expect(run().metrics.get('provision_files_watched')).toBe('9')
  })

  it('work without rights where they run other programs, and end if that is impossible', () => {
    program('apt-get', 'echo "$@" >"$HOST/apt"; echo "Inst nano [1] (2 Debian:12/stable [amd64])"')
    run()
    const caps = '--inh-caps=-all --ambient-caps=-all'
    expect(readFileSync(at('plainly'), 'utf8').split('\n')).toEqual([
      `${caps} true`,
      `${caps} timeout 120 apt-get -s -o Debug::NoLocking=1 -o APT::Get::Show-User-Simulation-Note=no dist-upgrade`,
      ...[`${caps} openssl x509 -noout -dates`, ''],
    ])
    // Simulated only.
    expect(readFileSync(at('apt'), 'utf8')).toMatch(/^-s /)
    program('setpriv', 'exit 1')
    expect(run()).toMatchObject({ status: 1, stdout: '' })
  })

  it('remove what an interrupted check left', () => {
    mkdirSync(at('state/.w.old'))
    expect(run().status).toBe(0)
    expect(readdirSync(at('state')).filter((name) => name.startsWith('.w'))).toEqual([])
  })

  it('compare the record with the kernel settings that this kernel has', () => {
    write('owned/base', 'sysctl:net.no.such disk\nsysctl:kernel.ostype disk\nsysctl:net.*.no.such disk\nfile:/a /a sysctl\n')
    run()
    expect(readFileSync(at('given'), 'utf8')).toBe('sysctl:kernel.ostype disk\nsysctl:net.*.no.such disk\nfile:/a /a sysctl\n')
  })

  it('print at most fifty wrong files, and whether there are more, with names that break no line', () => {
    program(
      'reader',
      'case $1 in owned) i=0; while [ $i -lt 60 ]; do printf "missing\\t/a/%s\\n" $i; i=$((i+1)); done; printf "changed\\t/last\\n"; echo watched 61;; esac',
    )
    expect(run().named('provision_file_wrong')).toEqual([
      ...Array.from({ length: 50 }, (_, i) => `provision_file_wrong{what="missing",path="/a/${i}"}`),
      'provision_file_wrong{what="only 50 are listed",path="another file"}',
    ])
    program('reader', String.raw`case $1 in owned) printf 'changed\t/a"\\\\\001\303\244b\n'; echo watched 1;; esac`)
    expect(run().named('provision_file_wrong')).toEqual(['provision_file_wrong{what="changed",path="/a???b"}'])
    program('dpkg', 'i=0; while [ $i -lt 60 ]; do echo "??5??????   /usr/bin/$i"; i=$((i+1)); done; exit 1')
    rmSync(at('state/packages'))
    expect(run().named('provision_package_file_wrong')).toEqual([
      ...Array.from({ length: 50 }, (_, i) => `provision_package_file_wrong{path="/usr/bin/${i}"}`),
      'provision_package_file_wrong{path="another file (only 50 are listed)"}',
    ])
    program('dpkg', 'i=0; while [ $i -lt 50 ]; do echo "??5??????   /usr/bin/$i"; i=$((i+1)); done; exit 1')
    rmSync(at('state/packages'))
    expect(run().named('provision_package_file_wrong')).toHaveLength(50)
  })

  it('report files of packages that are no configuration and no documentation', () => {
    program(
      'dpkg',
      `${[
        'missing     /usr/bin/gone',
        '??5?????? c /etc/a',
        ...['doc', 'man', 'locale', 'info', 'lintian', 'perl'].map((name) => `??5??????   /usr/share/${name}/x y`),
      ]
        .map((line) => `echo '${line}'; `)
        .join('')}echo "$@" >"$HOST/dpkg"; exit 1`,
    )
    expect(run().named('provision_package')).toEqual(
      ['/usr/bin/gone', '/usr/share/perl/x y'].map((path) => `provision_package_file_wrong{path="${path}"}`),
    )
    expect(readFileSync(at('dpkg'), 'utf8')).toBe('--verify\n')
    rmSync(at('state/packages'))
    program('dpkg', 'exit 124')
    expect(run().named('provision_package')).toEqual(['provision_package_file_wrong{path="/usr/bin/dpkg (--verify did not end)"}'])
    rmSync(at('state/packages'))
    program('dpkg', 'exit 0')
    expect(run().named('provision_package')).toEqual([])
  })

  it('repeat the slow checks when their last result is an hour old', () => {
    const aged = (minutes: number) => {
      const then = new Date(Date.now() - minutes * 60_000)
      for (const name of ['packages', 'updates']) utimesSync(at('state', name), then, then)
      const { named, metrics } = run()
      return [named('provision_package').length, metrics.get('provision_updates_pending{kind="other"}')]
    }
    run()
    program('dpkg', 'exit 0')
    program('apt-get', 'exit 0')
    expect(aged(58)).toEqual([1, '1'])
    expect(aged(61)).toEqual([0, '0'])
  })

  it('count a security update from the day that it was first seen, and forget it when it is installed', () => {
    const inst = (...names: readonly string[]) =>
      names.map((name) => `echo 'Inst ${name} [1] (2 Debian-Security:12/stable [amd64])'`).join('\n')
    const since = () =>
      readFileSync(at('state/since'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => line.split(' '))
    const later = () => {
      write(
        'state/since',
        since()
          .map(([at, name]) => `${Number(at) - 1000} ${name}\n`)
          .join(''),
      )
      rmSync(at('state/updates'))
    }
    program('apt-get', inst('a', 'b'))
    run()
    later()
    program('apt-get', inst('b', 'c'))
    const { metrics } = run()
    expect(metrics.get('provision_updates_pending{kind="security"}')).toBe('2')
    const [[first], [second]] = since() as [[string, string], [string, string]]
    expect(since().map(([, name]) => name)).toEqual(['b', 'c'])
    expect(Number(second) - Number(first)).toBeGreaterThanOrEqual(1000)
    expect(Number(metrics.get('provision_security_update_waiting_seconds'))).toBeGreaterThanOrEqual(1000)
    expect(Number(metrics.get('provision_security_update_waiting_seconds'))).toBeLessThan(1100)
  })

  it('ask the journal for messages of one program, and for none before the first check', () => {
    program(
      'journalctl',
      'echo "$@" >>"$HOST/journal"; for one; do case $one in --cursor-file=*) echo s=1 >"$(echo "$one" | cut -d = -f 2)";; esac; done',
    )
    run()
    run()
    const [first, balancer, second] = readFileSync(at('journal'), 'utf8').split('\n')
    expect(first).toBe(`-q -t sshd -t sshd-session -t sshd-auth --no-pager -o cat --cursor-file=${at('state/ssh.cursor')} -n 0`)
    expect(balancer).toBe(`-q -t haproxy --no-pager -o cat --cursor-file=${at('state/haproxy.cursor')} -n 0`)
    expect(second).toBe(`-q -t sshd -t sshd-session -t sshd-auth --no-pager -o cat --cursor-file=${at('state/ssh.cursor')}`)
  })

  it('count every way in which a login fails', () => {
    const failed = [
      ...['Failed password for root', 'Failed publickey for a', 'Failed none for a', 'Failed keyboard-interactive/pam for a'],
      ...['Connection closed by authenticating user a', 'Connection closed by invalid user a', 'Connection reset by authenticating user a'],
      ...['Disconnected from authenticating user a', 'Disconnected from invalid user a'],
    ]
    const others = ['Accepted publickey for b', 'x Failed password for b', 'Disconnected from user b', 'Connection closed by 10.0.0.1']
    write('log.sshd', [...failed, ...others].map((line) => `${line}\n`).join(''))
    expect(run().metrics.get('provision_ssh_failures_total')).toBe('9')
    // Debian 13 (OpenSSH 10.0) logs them by the processes of a connection.
    write('log.sshd-session', 'Failed publickey for c\nAccepted publickey for c\n')
    write('log.sshd-auth', 'Connection closed by invalid user c\n')
    expect(run().metrics.get('provision_ssh_failures_total')).toBe('20')
    // It refuses a source of failed logins for a while, and reports how many refusals it did not log.
    const drop = 'drop connection #0 from [10.0.0.1]:38180 on [10.0.0.2]:22 '
    const drops = ['penalty: failed authentication', 'penalty: connections without attempting authentication', 'past MaxStartups']
    const unlogged = 'PerSourcePenalties logging rate-limited: additional 20 connections dropped'
    write('log.sshd', [...drops.map((why) => drop + why), unlogged, `Invalid user ${unlogged}`].map((line) => `${line}\n`).join(''))
    rmSync(at('log.sshd-session'))
    rmSync(at('log.sshd-auth'))
    expect(run().metrics.get('provision_ssh_failures_total')).toBe('42')
  })

  it('report ports by protocol, but none on loopback and none of clients', () => {
    write(
      'sockets',
      [
        ...['udp UNCONN 0 0 0.0.0.0:22 0.0.0.0:*', 'udp UNCONN 0 0 0.0.0.0:32767 0.0.0.0:*', 'udp UNCONN 0 0 0.0.0.0:32768 0.0.0.0:*'],
        ...['tcp LISTEN 0 0 0.0.0.0:40000 0.0.0.0:*', 'udp UNCONN 0 0 [fe80::1]:546 [::]:*', 'tcp LISTEN 0 0 0.0.0.0:68 0.0.0.0:*'],
        ...['tcp LISTEN 0 0 *:8080 *:* users:(("a b",pid=1,fd=2),("c",pid=3,fd=4))', 'tcp LISTEN 0 0 10.127.0.1:81 0.0.0.0:*'],
        ...['tcp LISTEN 0 0 127.1.2.3:82 0.0.0.0:*', 'tcp LISTEN 0 0 10.0.0.1%eth0:83 0.0.0.0:*'],
      ].join('\n'),
    )
    program('ss', 'echo "$@" >"$HOST/ss"; cat "$HOST/sockets"')
    expect(run().named('provision_port_unknown')).toEqual(
      ['22/udp ?', '32767/udp ?', '40000/tcp ?', '68/tcp ?', '8080/tcp a b', '81/tcp ?', '83/tcp ?'].map(
        (one) => `provision_port_unknown{port="${one.split(' ')[0]}",program="${one.split(' ').slice(1).join(' ')}"}`,
      ),
    )
    // Listening sockets of TCP and UDP, with their programs, as numbers.
    expect(readFileSync(at('ss'), 'utf8')).toBe('-Hltnup\n')
  })

  it('report accounts with a shell, in a group of administrators or in the rules of sudo', () => {
    const shells = ['/bin/bash', '/bin/dash', '/usr/bin/zsh', '/usr/bin/fish', '/bin/ksh', '/bin/csh', '/bin/tcsh', '/bin/sh']
    const others = ['/usr/sbin/nologin', '/bin/false', '/bin/sync', '/opt/git-sh', '/bin/shutdown']
    write('passwd', [...shells, ...others].map((shell, i) => `u${i}:x:${1000 + i}:1000::/:${shell}\n`).join(''))
    program(
      'getent',
      'case "$1 $2" in "group sudo") echo sudo:x:27:;; "group admin") echo admin:x:9:a1,ann;; "group wheel") echo wheel:x:8:w1,a1;; esac',
    )
    write('sudoers', 'Defaults env_reset\nroot ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL) ALL\n# off ALL=(ALL) ALL\nAlias x = y\nno sudo here\n')
    write('sudoers.d/own', '')
    write('owned/base', 'user:ann\nuser:u7 more words\nforeign-accounts:sshd a1\nforeign-accounts:x u6\n')
    expect(run().named('provision_account_unknown').toSorted()).toEqual(
      [...[0, 1, 2, 3, 4, 5].map((i) => `u${i} shell`), 'w1 sudo']
        .map((one) => `provision_account_unknown{user="${one.split(' ')[0]}",may="${one.split(' ')[1]}"}`)
        .toSorted(),
    )
  })

  it('report accounts of the image with 0, but not those of root, nor what they gain later', () => {
    rmSync(at('state/ssh.count'))
    const unknown = () =>
      [...run().metrics]
        .filter(([name]) => name.startsWith('provision_account_unknown'))
        .map((one) => one.join(' '))
        .toSorted()
    const of = (user: string, may: string, value: number) => `provision_account_unknown{user="${user}",may="${may}"} ${value}`
    const image = [of('carl', 'sudo', 0), of('dora', 'sudo', 0), of('eve', 'sudo', 0), of('mallory', 'shell', 0), of('toor', 'root', 1)]
    expect(unknown()).toEqual(image)
    write('passwd', `${readFileSync(at('passwd'), 'utf8')}frank:x:1002:1002::/:/bin/sh\n`)
    write('sudoers.d/new', 'mallory ALL=(ALL) ALL\n')
    expect(unknown()).toEqual([...image, of('frank', 'shell', 1), of('mallory', 'sudo', 1)].toSorted())
  })

  it('add response times up, in every bucket', () => {
    const requests = [4, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 10_001, -1].map(
      (total) =>
        `10.0.0.1:5 [1/Jan/2026:00:00:00.000] https~ web/web-01 0/0/1/2/${total === 4 ? '+4' : total} 200 100 - - ---- 1/1/0/0/0 0/0 "GET / HTTP/1.1"\n`,
    )
    write('log.haproxy', requests.filter((line) => !line.includes('/-1 ')).join(''))
    const buckets = (factor: number) => [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13].map((count) => String(count * factor))
    const seen = () => {
      const { metrics, named } = run()
      return [
        ...named('provision_site_response_seconds_bucket').map((name) => metrics.get(name)),
        metrics.get('provision_site_response_seconds_sum'),
      ]
    }
    expect(seen()).toEqual([...buckets(1), '29.445'])
    expect(seen()).toEqual([...buckets(2), '58.89'])
    // The journal was rotated: what was counted stays.
    program('journalctl', 'exit 1')
    expect(seen()).toEqual([...buckets(2), '58.89'])
    const { stdout } = run()
    expect(stdout).toContain('# TYPE provision_site_response_seconds histogram\n')
    expect(stdout).toContain('provision_site_response_seconds_count 26\n')
  })

  it('leave out certificates that the balancer does not use any more', () => {
    const all = ['/etc/ssl/haproxy/a.pem', '/etc/ssl/haproxy/edge/client.pem', '/etc/ssl/haproxy/old.pem', '/etc/ssl/nginx/edge.pem']
    write('owned/base', all.map((path) => `certificate:/x ${path} disk\n`).join(''))
    program('reader', 'case $1 in owned) echo watched 3;; text) echo "$2";; esac')
    program('openssl', `echo 'notBefore=Jan  1 00:00:00 2026 GMT'; echo 'notAfter=Jan  2 00:00:00 2026 GMT'`)
    const found = () => run().named('provision_certificate_ends')
    const series = (paths: readonly string[]) => paths.map((path) => `provision_certificate_ends_seconds{path="${path}"}`)
    expect(found()).toEqual(series(all))
    write('listed', '/etc/ssl/haproxy/a.pem\n')
    expect(found()).toEqual(series(all.filter((path) => !path.includes('old'))))
  })

  it('read each certificate of the record once, with any path, and skip files that are no certificates', () => {
    const paths = ['/a.pem', '/a.pem.key', '/b.pem', '/c%20d%25.pem', '/monkey', '/q"\\c.pem']
    write(
      'owned/base',
      `${paths.map((path) => `certificate:/x ${path} disk\n`).join('')}certificate:/y /a.pem disk\ncertificate:/z /e.pem absent\nfile:/f.pem /f.pem disk\nfile:/x /g.own.pem ${'a'.repeat(64)}\nfile:/x /g.own.pem.key ${'a'.repeat(64)}\nfile:/x /h.pem ${'a'.repeat(64)}\n`,
    )
    program('reader', 'case $1 in owned) echo watched 3;; text) printf "%s\\n" "$2 $3" >>"$HOST/texts"; echo "$2";; esac')
    program(
      'openssl',
      `[ "$(cat)" != /b.pem ] || exit 1; echo 'notBefore=Jan  1 00:00:00 2026 GMT'; echo 'notAfter=Jan  2 00:00:00 2026 GMT'`,
    )
    const { named, metrics } = run()
    expect(named('provision_certificate')).toEqual(
      ['begins', 'ends'].flatMap((side) =>
        // A quote would end the label, and the node exporter would drop the whole file.
        ['/a.pem', '/c d%.pem', '/g.own.pem', '/monkey', '/qc.pem'].map((path) => `provision_certificate_${side}_seconds{path="${path}"}`),
      ),
    )
    expect(metrics.get('provision_certificate_ends_seconds{path="/c d%.pem"}')).toBe(String(Date.UTC(2026, 0, 2) / 1000))
    expect(readFileSync(at('texts'), 'utf8')).toBe(
      ['/a.pem', '/b.pem', '/c%20d%25.pem', '/g.own.pem', '/monkey', '/q"\\c.pem'].map((path) => `${path} 65536\n`).join(''),
    )
  })

  const cgroup = (path: string, files: Readonly<Record<string, string>>) => {
    mkdirSync(at('cgroup', path), { recursive: true })
    for (const [name, content] of Object.entries(files)) write(`cgroup/${path}/${name}`, content)
  }
  const uses = () => {
    const { metrics, named } = run()
    return named('provision_unit').map((name) => `${name.slice('provision_unit_'.length)} ${metrics.get(name)}`)
  }

  it('measure what each unit uses, by cgroup version 2', () => {
    write('passwd', '')
    mkdirSync(at('cgroup'))
    write('cgroup/cgroup.controllers', 'cpu memory io\n')
    cgroup('system.slice/nginx.service', {
      'cpu.stat': 'usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n',
      'memory.stat': 'anon 4096\nfile 100000\ninactive_anon 5\n',
      'memory.events': 'low 0\noom 3\noom_kill 2\noom_group_kill 9\n',
      'io.stat': '8:0 rbytes=100 wbytes=20 rios=5 wios=6 dbytes=7 dios=8\n8:16 rbytes=1 wbytes=2 rios=0 wios=0 dbytes=0 dios=0\n',
    })
    cgroup('web.slice/app.service', { 'cpu.stat': 'usage_usec 1\n', 'memory.stat': 'anon 1\n', 'io.stat': '' })
    cgroup('user.slice', { 'cpu.stat': 'usage_usec 2000\n' })
    cgroup('system.slice/half.service', { 'cpu.stat': 'user_usec 5\n', 'memory.stat': 'file 5\n', 'memory.events': 'low 0\n' })
    expect(uses()).toEqual([
      ...['cpu_seconds_total{unit="nginx.service"} 1.500', 'cpu_seconds_total{unit="app.service"} 0.000'],
      ...['cpu_seconds_total{unit="user.slice"} 0.002', 'memory_bytes{unit="nginx.service"} 4096', 'memory_bytes{unit="app.service"} 1'],
      ...['oom_kills_total{unit="nginx.service"} 2', 'io_bytes_total{unit="nginx.service"} 123'],
    ])
  })

  it('measure what each unit uses, by cgroup version 1', () => {
    cgroup('unified/system.slice/nginx.service', { 'cpu.stat': 'usage_usec 2500000\n' })
    cgroup('memory/system.slice/nginx.service', { 'memory.stat': 'cache 9\nrss 7\ntotal_rss 8192\ntotal_cache 5\n' })
    cgroup('blkio/system.slice/nginx.service', {
      'blkio.throttle.io_service_bytes': '8:0 Read 100\n8:0 Write 20\n8:0 Sync 50\n8:0 Async 70\n8:0 Total 120\nTotal 120\n',
    })
    expect(uses()).toEqual([
      ...[
        'cpu_seconds_total{unit="nginx.service"} 2.500',
        'memory_bytes{unit="nginx.service"} 8192',
        'io_bytes_total{unit="nginx.service"} 120',
      ],
    ])
  })
})
