import { describe, expect, it } from 'vitest'
import { sandbox, settingLines } from '../../../../src/resource/service/sandbox.ts'

const lines = (...of: Parameters<typeof sandbox>) =>
  settingLines(sandbox(...of))
    .trim()
    .split('\n')

describe('a sandbox', () => {
  it('denies a program everything that it does not need', () => {
    expect(lines()).toEqual(
      expect.arrayContaining([
        'NoNewPrivileges=yes',
        'ProtectSystem=strict',
        'PrivateNetwork=yes',
        'PrivateUsers=yes',
        'RestrictAddressFamilies=AF_UNIX',
        'IPAddressDeny=any',
        'CapabilityBoundingSet=',
        'AmbientCapabilities=',
        'SystemCallFilter=~@privileged @resources',
      ]),
    )
  })

  it('revokes excess grants before it grants missing ones', () => {
    const given = lines({ network: 'all', capabilities: ['CAP_NET_RAW'], ambient: true })
    const of = (key: string) => given.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1))
    expect(of('CapabilityBoundingSet')).toEqual(['', 'CAP_NET_RAW'])
    expect(of('AmbientCapabilities')).toEqual(['', 'CAP_NET_RAW'])
    expect(of('RestrictAddressFamilies')).toEqual(['', 'AF_UNIX AF_INET AF_INET6'])
    expect(of('SystemCallFilter')).toEqual(['', '@system-service', '~@privileged @resources'])
    // A capability in a namespace of its own would be good for nothing.
    expect(of('PrivateUsers')).toEqual([])
  })

  it('permits a change of account only to programs that need it', () => {
    expect(lines({ capabilities: ['CAP_SETUID', 'CAP_SYS_CHROOT'] })).toEqual(
      expect.arrayContaining(['SystemCallFilter=~@resources', 'SystemCallFilter=chroot']),
    )
    expect(lines({ calls: ['adjtimex'] }).filter((line) => line.startsWith('SystemCallFilter='))).toEqual([
      'SystemCallFilter=',
      'SystemCallFilter=@system-service',
      'SystemCallFilter=~@privileged @resources',
      'SystemCallFilter=adjtimex',
    ])
  })

  it('of a program that starts early has no mount namespace, which fails in some boots', () => {
    const early = lines({ early: true })
    expect(
      early.filter((line) =>
        /^(Private(Tmp|Devices)|Protect(System|Home|Proc|Control|Kernel)|ProcSubset|DevicePolicy|ReadWritePaths)/.test(line),
      ),
    ).toEqual([])
    expect(early).toEqual(expect.arrayContaining(['MemoryDenyWriteExecute=yes', 'CapabilityBoundingSet=', 'NoNewPrivileges=yes']))
  })

  it('does not kill a program for a denied call, and gives it no devices', () => {
    expect(lines()).toEqual(expect.arrayContaining(['SystemCallErrorNumber=EPERM', 'DevicePolicy=closed', 'PrivateDevices=yes']))
  })

  it.each<[NonNullable<Parameters<typeof sandbox>[0]>['network'], string, readonly string[]]>([
    ['none', 'AF_UNIX', ['PrivateNetwork=yes', 'IPAddressDeny=any']],
    ['kernel', 'AF_UNIX AF_NETLINK', ['IPAddressDeny=any']],
    ['loopback', 'AF_UNIX AF_INET AF_INET6', ['IPAddressAllow=localhost', 'IPAddressDeny=any']],
    ['all', 'AF_UNIX AF_INET AF_INET6', []],
  ])('has a network of its kind, of both families: %s', (network, families, others) => {
    const given = lines({ network: network ?? 'none' })
    expect(given.filter((line) => /^(PrivateNetwork|IPAddress)/.test(line))).toEqual(others)
    expect(given.filter((line) => line.startsWith('RestrictAddressFamilies='))).toEqual([
      'RestrictAddressFamilies=',
      `RestrictAddressFamilies=${families}`,
    ])
  })

  it('can be relaxed by a setting', () => {
    const loosened = lines({}, { ProtectHome: 'read-only', ReadWritePaths: ['/a', '/b'] })
    expect(loosened.filter((line) => /^(ProtectHome|ReadWritePaths)=/.test(line))).toEqual([
      'ProtectHome=read-only',
      'ReadWritePaths=/a',
      'ReadWritePaths=/b',
    ])
  })
})
