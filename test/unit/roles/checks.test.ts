import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checksScript } from '../../../roles/monitoring/checks/script.ts'

/** Programs that the checks call, as answers of a host. */
const PROGRAMS = {
  setpriv: 'while :; do case $1 in --*) shift;; *) break;; esac; done; exec "$@"',
  dpkg: `echo '??5??????   /usr/bin/ls'; echo '??5?????? c /etc/issue'; echo '??5??????   /usr/share/doc/ls/copyright'; exit 1`,
  'apt-get': `echo 'Inst openssl [1] (2 Debian-Security:12/stable [amd64])'; echo 'Inst nano [1] (2 Debian:12/stable [amd64])'; echo 'Conf nano'`,
  journalctl: `while [ $# -gt 0 ]; do case $1 in -t) log=$2;; --cursor-file=*) echo "s=1" >"\${1#*=}";; esac; shift; done; cat "$HOST/log.$log" 2>/dev/null; :`,
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
  write('sudoers.d/own', 'carl ALL=(ALL) NOPASSWD: ALL\n')
  write(
    'owned/base',
    'user:ann\nsysctl:net.no.such disk\ncertificate:/x /etc/ssl/site.pem disk\ncertificate:/x /etc/ssl/site.pem.key disk\n',
  )
  write('ssh/sshd_config', 'Port 22\n')
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
    .replaceAll('/etc/sudoers', at('sudoers'))
    .replaceAll(/\/run\/(provision.lock|reboot-required)/g, `${at('run')}/$1`)
  const env = { ...process.env, STATE_DIRECTORY: at('state'), HOST: root }
  const { status, stdout, stderr } = spawnSync('sh', ['-c', script], { encoding: 'utf8', env })
  const metrics = new Map(
    stdout.split('\n').flatMap((line): [string, string][] => {
      const [, name, value] = /^([^#].*) (\S+)$/.exec(line) ?? []
      return name === undefined || value === undefined ? [] : [[name, value]]
    }),
  )
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
      ['carl" ,may="sudo', 'eve" ,may="sudo', 'mallory" ,may="shell', 'toor" ,may="root'].map(
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
})
