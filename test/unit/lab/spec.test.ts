import { describe, expect, it } from 'vitest'
import { checkSpec, labSshConfig, layoutOf } from '../../../src/lab/index.ts'

const host = (name: string, ...addresses: string[]) => ({ name, user: 'ops', addresses })
const lab = (...hosts: ReturnType<typeof host>[]) => ({ name: 'lab', root: '/home/me/site', hosts })

describe('the layout of a lab', () => {
  it('gives the bridge the first address of each subnet', () => {
    expect(layoutOf(lab(host('a', '10.78.0.11', 'fd78::11'))).gateways).toEqual([
      { address: '10.78.0.1', prefix: 24 },
      { address: 'fd78::1', prefix: 64 },
    ])
    expect(layoutOf(lab(host('a', 'fd79:8::5'))).gateways).toEqual([{ address: 'fd79:8::1', prefix: 64 }])
  })

  it('differs by project and name, and has valid names of interfaces', () => {
    const one = layoutOf(lab(host('a', '10.78.0.11')))
    const other = layoutOf({ ...lab(host('a', '10.78.0.11')), root: '/home/you/site' })
    expect(one.id).not.toBe(other.id)
    expect(layoutOf({ ...lab(host('a', '10.78.0.11')), name: 'second' }).id).not.toBe(one.id)
    expect(one.interface.length).toBeLessThanOrEqual(15)
    expect(one.directory).toBe('/home/me/site/.provision/lab/lab')
  })
})

describe('an invalid lab', () => {
  const wrong: [string, Parameters<typeof checkSpec>[0], string][] = [
    ['has no hosts', lab(), 'no hosts'],
    ['has a name that is a path', { ...lab(host('a', '10.78.0.11')), name: '../x' }, 'lab name "../x" is invalid'],
    ['names a host like a directory', lab(host('a/b', '10.78.0.11')), 'host name a/b is invalid'],
    ['has a host without an address', lab(host('a')), 'a has no address'],
    ['has a name for an address', lab(host('a', 'a.example.org')), 'is not an IP address'],
    ['would take the loopback addresses', lab(host('a', '127.0.0.9')), 'a: 127.0.0.9 is not the address of a single host'],
    ['would take the loopback address', lab(host('a', '::1')), 'is not the address of a single host'],
    ['would take link-local addresses', lab(host('a', 'fe80::11')), 'is not the address of a single host'],
    ['would take multicast addresses', lab(host('a', '239.0.0.1')), 'is not the address of a single host'],
    ['spans two IPv4 subnets', lab(host('a', '10.78.0.11'), host('b', '10.78.1.11')), 'b: 10.78.1.11 is in another subnet'],
    ['spans two IPv6 subnets', lab(host('a', 'fd78::11'), host('b', 'fd78:0:0:1::11')), 'b: fd78:0:0:1::11 is in another subnet'],
    ["gives a host the bridge's address", lab(host('a', '10.78.0.1')), 'the bridge'],
    ["gives a host the bridge's address, written otherwise", lab(host('a', 'fd78:0::0001')), 'the bridge'],
    ['gives two hosts one address', lab(host('a', 'fd78::a'), host('b', 'fd78:0::A')), 'b: fd78:0::A is the address of a'],
    ['has an invalid user name', lab({ ...host('a', '10.78.0.11'), user: '$(id)' }), 'is invalid'],
  ]
  it.each(wrong)('%s', (_, spec, words) => expect(() => checkSpec(spec)).toThrow(words))

  it('is distinguished from a valid one', () => {
    expect(() => checkSpec(lab(host('lb-01', '10.78.0.11', 'fd78::11'), host('web-01', '10.78.0.12', 'fd78::12')))).not.toThrow()
  })
})

it('writes an ssh configuration with absolute paths, one block per host', () => {
  const text = labSshConfig(lab(host('a', '10.78.0.11', 'fd78::11'), host('b', '10.78.0.12')))
  expect(text.match(/^Host .*$/gm)).toEqual(['Host a', 'Host b'])
  expect(text).toContain('HostName 10.78.0.12\n')
  expect(text).toContain('UserKnownHostsFile "/home/me/site/.provision/lab/lab/known_hosts"')
  expect(text).toContain('StrictHostKeyChecking yes')
})
