import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { clockFault } from '../../../src/engine/observe/clock.ts'
import { FACTS_SCRIPT, readFacts } from '../../../src/engine/observe/facts.ts'
import { readOwned } from '../../../src/engine/plan/orphans.ts'
import { problemOf } from '../problem-of.ts'

const BOOKWORM = `os ID=debian
os VERSION_ID="12"
os VERSION_CODENAME=bookworm
hostname web-01
/proc/meminfo:MemTotal:        2030372 kB
/proc/cpuinfo:processor\t: 0
/proc/cpuinfo:processor\t: 1
/var/lib/dpkg/status-Architecture: i386
/var/lib/dpkg/status:Package: dpkg
/var/lib/dpkg/status-Architecture: amd64
`
const facts = (more: string, ...connection: readonly string[]) => readFacts('web-01', `${BOOKWORM}${more}`, connection)

describe('facts', () => {
  it('are read from the answer of a host', () => {
    expect(facts('', '192.0.2.1', '50000', '10.0.0.2', '22')).toEqual({
      distribution: 'debian',
      release: '12',
      codename: 'bookworm',
      architecture: 'amd64',
      memoryMB: 1983,
      cpus: 2,
      hostname: 'web-01',
      sshAddress: '10.0.0.2',
      sshPort: 22,
      sshPorts: [22],
      clientAddress: '192.0.2.1',
      container: false,
      rsyslog: false,
      networks: [],
    })
    expect(facts('container\ncontainer\n').container).toBe(true)
    expect(facts('clock chrony\n').clock).toBe('chrony')
  })

  it.each([
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['2001:db8::1', '2001:db8::1'],
    ['$(reboot)', ''],
  ])('know whom the host sees as %s', (seen, address) => {
    expect(facts('', seen, '50000', '10.0.0.2', '22').clientAddress).toBe(address)
  })

  it.each([[[]], [['192.0.2.1', '50000', '10.0.0.2', '22;reboot']], [['192.0.2.1', '50000', '10.0.0.2', '0']]])(
    'take no port for that of sshd that is none: %j',
    (connection) => {
      expect(facts('/etc/ssh/sshd_config:Port 2222\n', ...connection).sshPorts).toEqual([22, 2222])
    },
  )

  it('include the networks of the host, without routes to others', () => {
    const tables = `route Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
route eth0\t00000000\t01294F0A\t0003\t0\t0\t0\t00000000\t0\t0\t0
route eth0\t00294F0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
route wg0\t0000A8C0\t0100000A\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0
if_inet6 00000000000000000000000000000001 01 80 10 80       lo
if_inet6 fe80000000000000021641fffe000011 02 40 20 80     eth0
if_inet6 fd410000000000000000000000000011 02 40 00 80     eth0
`
    expect(facts(tables).networks).toEqual([
      { interface: 'eth0', network: '10.79.41.0/24' },
      { interface: 'eth0', network: 'fd41:0000:0000:0000:0000:0000:0000:0011/64' },
    ])
  })

  it('include every port of sshd, that of the present connection first', () => {
    const config = `/etc/ssh/sshd_config:Port 22
/etc/ssh/sshd_config-#Port 23
/etc/ssh/sshd_config-Subsystem sftp /etc/ssh/sshd_config:Port 24
/etc/ssh/sshd_config.d/ports.conf:  port="2222" # NAT
/etc/ssh/sshd_config.d/ports.conf:Port 0
/etc/ssh/sshd_config.d/ports.conf:ListenAddress [2001:db8::1]:2223
/etc/ssh/sshd_config.d/ports.conf:ListenAddress 10.0.0.2:2224
/etc/ssh/sshd_config.d/ports.conf:ListenAddress 127.0.0.1:2225
/etc/ssh/sshd_config.d/ports.conf:ListenAddress ::
/var/lib/dpkg/status: Port 2226
`
    expect(facts(config, '192.0.2.1', '50000', '10.0.0.2', '2222').sshPorts).toEqual([2222, 22, 2223, 2224])
  })
})

const STATUS = `Package: adduser
Architecture: all

Package: dpkg
Essential: yes
Status: install ok installed
Priority: required
Section: admin
Installed-Size: 6368
Origin: debian
Maintainer: Dpkg Developers <debian-dpkg@lists.debian.org>
Bugs: debbugs://bugs.debian.org
Architecture: arm64

Package: zlib1g
Architecture: i386
`
const HOST: Readonly<Record<string, string>> = {
  '/etc/os-release': 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\nVERSION_ID="13"\nVERSION_CODENAME=trixie\n',
  '/proc/sys/kernel/hostname': 'web-07.example\n',
  '/proc/stat': 'cpu  1 2 3\nbtime 1700000000\nprocesses 5\n',
  '/proc/meminfo': 'MemTotal:        4194304 kB\nMemFree:           1000 kB\n',
  '/proc/cpuinfo': 'processor\t: 0\nmodel name\t: x\n\nprocessor\t: 1\nmodel name\t: x\n\nprocessor\t: 2\n',
  '/proc/uptime': '500.25 900.00\n',
  '/var/lib/dpkg/status': STATUS,
  '/etc/ssh/sshd_config': '# Port 2220\nPort 22\n  port = 2222\n',
  '/etc/ssh/sshd_config.d/own.conf': 'ListenAddress 10.0.0.2:2223\n',
  '/proc/net/route': 'Iface\tDestination\neth0\t00294F0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n',
  '/proc/net/if_inet6': 'fd410000000000000000000000000011 02 40 00 80     eth0\n',
  '/var/lib/provision/owned/nginx': '# {"provision":2,"playbooks":["site.yaml"]}\nfile:/etc/x /etc/x aa\npackage:nginx\n',
}

/** The answer of a host with these files to the script of the facts. */
const answered = (files: Readonly<Record<string, string | undefined>>, before = '') => {
  const root = mkdtempSync(join(tmpdir(), 'provision-facts-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  for (const [path, content] of Object.entries(files)) {
    if (content === undefined) continue
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content)
  }
  const script = String(FACTS_SCRIPT).replace(/(?<=[\s<])\/(?=(?:etc|lib|proc|run|usr|var|\.dockerenv)\b|\.)/g, `${root}/`)
  const { status, stdout, stderr } = spawnSync('sh', ['-c', `${before}\n${script}`], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  })
  return { status, stdout: stdout.replaceAll(root, ''), stderr }
}

describe('the script of the facts', () => {
  it('reports everything that is read from it, and nothing fails', () => {
    const { status, stdout, stderr } = answered(HOST)
    expect([status, stderr]).toEqual([0, ''])
    expect(readFacts('web-07', stdout, ['192.0.2.1', '50000', '10.0.0.2', '2222'])).toEqual({
      distribution: 'debian',
      release: '13',
      codename: 'trixie',
      architecture: 'arm64',
      memoryMB: 4096,
      cpus: 3,
      hostname: 'web-07.example',
      sshAddress: '10.0.0.2',
      sshPort: 2222,
      sshPorts: [2222, 22, 2223],
      clientAddress: '192.0.2.1',
      container: false,
      rsyslog: false,
      networks: [
        { interface: 'eth0', network: '10.79.41.0/24' },
        { interface: 'eth0', network: 'fd41:0000:0000:0000:0000:0000:0000:0011/64' },
      ],
    })
    const record = readOwned('web-07', stdout).get('nginx')
    expect([record?.playbooks, record?.lines.map(({ key }) => key)]).toEqual([['site.yaml'], ['file:/etc/x', 'package:nginx']])
    expect(clockFault(stdout, 1_700_000_500_000, 1_700_000_500_000)).toBeUndefined()
    expect(clockFault(stdout, 1_700_004_100_000, 1_700_004_100_000)).toContain('60 minutes behind')
  })

  it('ends well where files of sshd, of records and of networks are missing', () => {
    const some = Object.fromEntries(Object.entries(HOST).filter(([path]) => !/ssh|owned|net/.test(path)))
    const { status, stdout, stderr } = answered(some)
    expect([status, stderr]).toEqual([0, ''])
    expect(readFacts('web-07', stdout, [])).toMatchObject({ sshPorts: [22], networks: [], codename: 'trixie' })
  })

  it.each([
    [['/run/systemd/container'], true],
    [['/.dockerenv'], true],
    [['/run/.containerenv'], true],
    [['/proc/vz/version'], true],
    [['/proc/vz/version', '/proc/bc/0'], false],
  ])('takes a machine with %j for a container: %s', (paths, container) => {
    const { stdout } = answered({ ...HOST, ...Object.fromEntries(paths.map((path) => [path, ''])) })
    expect(readFacts('web-07', stdout, []).container).toBe(container)
  })

  it.each([
    ['chrony.service', 'chrony'],
    ['systemd-timesyncd.service', 'timesyncd'],
    ['cron.service', undefined],
  ])('knows the daemon of the clock by %s', (unit, clock) => {
    const { stdout } = answered({ ...HOST, [`/lib/systemd/system/${unit}`]: '' })
    expect(readFacts('web-07', stdout, []).clock).toBe(clock)
  })

  it('knows whether rsyslog is installed', () => {
    expect(readFacts('web-07', answered(HOST).stdout, []).rsyslog).toBe(false)
    const { stdout } = answered({ ...HOST, '/usr/sbin/rsyslogd': '' })
    expect(readFacts('web-07', stdout, []).rsyslog).toBe(true)
  })

  it('fails where a program or the kernel does not answer', () => {
    expect(answered({ ...HOST, '/proc/sys/kernel/hostname': undefined }).status).not.toBe(0)
    expect(answered({ ...HOST, '/proc/uptime': undefined }).status).not.toBe(0)
    for (const code of [3, 126, 137]) expect(answered(HOST, `grep() { return ${code}; }`).status).not.toBe(0)
  })

  it('of another system names it', async () => {
    const of = (release: string) => () => readFacts('web-07', answered({ ...HOST, '/etc/os-release': release }).stdout, [])
    expect(await problemOf(of('ID=arch\n'))).toMatchObject({
      ...{ class: 'task', where: { host: 'web-07' }, why: 'provision supports Debian and Ubuntu' },
    })
    expect(of('ID=fedora\nPRETTY_NAME="Fedora Linux 41"\n')).toThrow('web-07: host runs Fedora Linux 41')
    expect(of('ID=alpine\n')).toThrow('web-07: host runs alpine')
    expect(of('NAME=x\n')).toThrow('web-07: host runs an unknown system, without /etc/os-release')
    const old = await problemOf(of('ID=debian\nVERSION_ID="11"\nPRETTY_NAME="Debian GNU/Linux 11 (bullseye)"\n'))
    expect(old).toMatchObject({
      ...{ class: 'task', where: { host: 'web-07' }, what: 'host runs Debian GNU/Linux 11 (bullseye)' },
      why: 'provision supports Debian 12 and later, and Ubuntu 22.04 and later',
    })
    expect(of('ID=ubuntu\nVERSION_ID="21.10"\n')).toThrow('web-07: host runs ubuntu 21.10')
    expect(of('ID=ubuntu\nVERSION_ID="22.04"\n')()).toMatchObject({ release: '22.04' })
    expect(of('ID=debian\nVERSION_CODENAME=forky\n')()).toMatchObject({ release: '', codename: 'forky' })
    expect(of('ID=ubuntu\nVERSION_ID="24.04"\n')()).toMatchObject({ distribution: 'ubuntu', release: '24.04', codename: '' })
  })
})
