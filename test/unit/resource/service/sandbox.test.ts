import { describe, expect, it } from 'vitest'
import { sandbox, settingLines } from '../../../../src/resource/service/sandbox.ts'

const lines = (...of: Parameters<typeof sandbox>) =>
  settingLines(sandbox(...of))
    .trim()
    .split('\n')

describe('a sandbox', () => {
  it('leaves a program nothing that it does not say it needs', () => {
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

  it('takes back what a package gave, before it gives what is needed', () => {
    const given = lines({ network: 'all', capabilities: ['CAP_NET_RAW'], ambient: true })
    const of = (key: string) => given.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1))
    expect(of('CapabilityBoundingSet')).toEqual(['', 'CAP_NET_RAW'])
    expect(of('AmbientCapabilities')).toEqual(['', 'CAP_NET_RAW'])
    expect(of('RestrictAddressFamilies')).toEqual(['', 'AF_UNIX AF_INET AF_INET6'])
    expect(of('SystemCallFilter')).toEqual(['', '@system-service', '~@privileged @resources'])
    // A capability in a namespace of its own would be good for nothing.
    expect(of('PrivateUsers')).toEqual([])
  })

  it('lets who changes its account do so, and nobody else', () => {
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

  it('of a program that starts early leaves the file systems as they are: what systemd would put together fails in some boots', () => {
    const early = lines({ early: true })
    expect(
      early.filter((line) =>
        /^(Private(Tmp|Devices)|Protect(System|Home|Proc|Control|Kernel)|ProcSubset|DevicePolicy|ReadWritePaths)/.test(line),
      ),
    ).toEqual([])
    expect(early).toEqual(expect.arrayContaining(['MemoryDenyWriteExecute=yes', 'CapabilityBoundingSet=', 'NoNewPrivileges=yes']))
  })

  it('is loosened by naming a setting', () => {
    const loosened = lines({}, { ProtectHome: 'read-only', ReadWritePaths: ['/a', '/b'] })
    expect(loosened.filter((line) => /^(ProtectHome|ReadWritePaths)=/.test(line))).toEqual([
      'ProtectHome=read-only',
      'ReadWritePaths=/a',
      'ReadWritePaths=/b',
    ])
  })
})
