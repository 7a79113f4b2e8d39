import { describe, expect, it } from 'vitest'
import { assembled } from '../../../../roles/base/part.ts'
import base from '../../../../roles/base/role.ts'
import { syslog, syslogOption } from '../../../../roles/base/syslog.ts'
import { bytesOf } from '../../../../src/resource/kind/content.ts'
import type { HostView } from '../../../../src/role/role.ts'

const CA = { path: 'logs.pem', content: { type: 'local', path: '/p/authorities/logs.pem', size: 3, sha256: 'a'.repeat(64) } } as never
const resources = (options: object | undefined, { rsyslog = false, declared = false } = {}) =>
  assembled([
    syslog(syslogOption.parse(options), {
      facts: { rsyslog },
      files: (_, name) => (name === 'logs.pem' ? [CA] : []),
      wasDeclared: () => declared,
    }),
  ])
const keys = (...given: Parameters<typeof resources>) => resources(...given).map(({ kind, id }) => `${kind.name}:${id}`)
const textOf = (path: string, options: object): string => {
  const found = resources(options).find(({ id }) => id === path)
  const content = found?.kind.content?.(found.spec)
  return content === undefined ? '' : bytesOf(content as never).toString()
}
const config = (options: object) => textOf('/etc/rsyslog.d/provision-syslog', options)
const faults = (options: object) =>
  base
    .check?.({
      options: base.options.parse(options),
      host: { name: 'web-01', user: 'ops' } as HostView,
      site: { hosts: [], group: () => [], withRole: () => [] },
    })
    .map(({ path, what }) => `${path.join('.')}: ${what}`)

describe('the syslog server', () => {
  it('is reached over TLS at its port, and its certificate must have its name', () => {
    const text = config({ server: 'logs.example.org' })
    for (const words of [
      'target="logs.example.org" port="6514"',
      'StreamDriverMode="1" StreamDriverAuthMode="x509/name"',
      'StreamDriverPermittedPeers="logs.example.org" StreamDriver.PermitExpiredCerts="off"',
      'defaultNetstreamDriverCAFile="/etc/ssl/certs/ca-certificates.crt"',
      'queue.maxDiskSpace="256m"',
    ])
      expect(text).toContain(words)
    expect(keys({ server: 'logs.example.org' })).toContain('package:ca-certificates')
  })

  it('may have another port, name and authority, and an address of IPv6', () => {
    const text = config({ server: '[2001:db8::1]:7000', name: 'logs.test', ca_file: 'authorities/logs.pem', buffer_mb: 32 })
    expect(text).toContain('target="2001:db8::1" port="7000"')
    expect(text).toContain('StreamDriverPermittedPeers="logs.test"')
    expect(text).toContain('defaultNetstreamDriverCAFile="/etc/rsyslog.d/provision-syslog.pem"')
    expect(text).toContain('queue.maxDiskSpace="32m"')
    expect(keys({ server: 'a', ca_file: 'authorities/logs.pem' })).not.toContain('package:ca-certificates')
    expect(config({ server: '[2001:db8::1]', name: 'a' })).toContain('port="6514"')
  })

  it('must have a name, and its authority must be in the project', () => {
    for (const server of ['192.0.2.1:6514', '[2001:db8::1]'])
      expect(faults({ syslog: { server } })).toEqual([
        expect.stringMatching(/^syslog.server: .* is an address, and rsyslog verifies names only$/),
      ])
    expect(faults({ syslog: { server: '192.0.2.1', name: 'logs.test' } })).toEqual([])
    expect(() => resources({ server: 'a', ca_file: 'authorities/none.pem' })).toThrow('file does not exist in the project')
  })

  it.each([
    { server: 'logs"\naction(type="omprog")' },
    { server: 'logs.test:0' },
    { server: 'logs.test:65536' },
    { server: 'https://logs.test' },
    { server: '' },
    { server: 'a', name: 'b" c' },
    { server: 'a', ca_file: '/etc/passwd' },
    { server: 'a', buffer_mb: 1 },
    { server: 'a', buffer_mb: 20_000 },
    {},
  ])('is refused as %j', (options) => expect(syslogOption.safeParse(options).success).toBe(false))

  it('is a connection that the firewall permits', () => {
    const connects = (options: object) => base.connects?.({ options: base.options.parse(options) } as never)
    expect(connects({ syslog: { server: 'a:7000' } })).toEqual([{ service: 'logs', port: 7000, protocol: 'tcp' }])
    expect(connects({})).toEqual([])
  })
})

describe('the rsyslog of the distribution', () => {
  const mask = 'link:/etc/systemd/system/rsyslog.service'

  it('does not start if this role installs it, and otherwise stays as it is', () => {
    const bare = keys({ server: 'a' })
    expect(bare.indexOf(mask)).toBe(0)
    expect(bare).toContain('package:rsyslog-gnutls')
    expect(keys({ server: 'a' }, { rsyslog: true })).not.toContain(mask)
    expect(keys({ server: 'a' }, { rsyslog: true, declared: true })).toContain(mask)
  })
})

describe('without the option', () => {
  it('a host has nothing, and one that had it loses unit, files and buffer', () => {
    expect(keys(undefined)).toEqual([])
    const found = resources(undefined, { declared: true })
    // Its packages stay.
    expect(found.map(({ kind, id }) => `${kind.name}:${id}`)).toEqual([
      'link:/etc/systemd/system/rsyslog.service',
      'service:provision-syslog.service',
      'file:/etc/rsyslog.d/provision-syslog',
      'file:/etc/rsyslog.d/provision-syslog.pem',
      'unit:provision-syslog.service',
      'command:delete the buffer of provision-syslog',
    ])
    expect(found[1]?.spec).toMatchObject({ running: false, enabled: false })
    expect(base.verify?.({ options: base.options.parse({}) } as never).filter(({ name }) => name.includes('test line'))).toEqual([])
  })
})
