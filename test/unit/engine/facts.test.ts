import { describe, expect, it } from 'vitest'
import { readFacts } from '../../../src/engine/observe/facts.ts'

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
      networks: [],
    })
    expect(facts('container\ncontainer\n').container).toBe(true)
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
