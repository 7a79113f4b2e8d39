import { spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { checkQuic } from '../../../../roles/haproxy-tls/config/quic.ts'
import haproxy from '../../../../roles/haproxy-tls/role.ts'
import { contextOf, declaredBy, startBalancer, textOf } from './balancer.ts'

const hasQuic = spawnSync('haproxy', ['-vv'], { encoding: 'utf8' }).stdout?.includes('+QUIC') === true
const SITE = { certificates: [{ names: ['www.site.test'] }] }

/** A packet that begins a connection with a version that does not exist; a server answers with those that it speaks (RFC 9000, 6). */
const unknownVersion = (): Buffer => {
  const packet = Buffer.alloc(1200)
  packet.writeUInt8(0xc0, 0)
  packet.writeUInt32BE(0x1a2a3a4a, 1)
  packet.writeUInt8(8, 5)
  packet.write('12345678', 6)
  packet.writeUInt8(8, 14)
  packet.write('abcdefgh', 15)
  return packet
}

describe.runIf(hasQuic)('HTTP/3', () => {
  it('is announced, and QUIC is spoken on the port of HTTPS', async () => {
    const balancer = await startBalancer({ options: { http3: true }, answer: (_, response) => void response.end('page') })
    try {
      for (const method of ['GET', 'POST']) expect((await balancer.ask({ method })).headers.get('alt-svc')).toBe('h3=":443"; ma=86400')
      const socket = createSocket('udp4')
      socket.send(unknownVersion(), balancer.ports.direct, '127.0.0.1')
      const [answer] = (await once(socket, 'message', { signal: AbortSignal.timeout(5000) })) as [Buffer]
      socket.close()
      expect(answer.readUInt32BE(1)).toBe(0)
      const versions = Array.from({ length: Math.floor((answer.length - 23) / 4) }, (_, i) => answer.readUInt32BE(23 + 4 * i))
      expect(versions).toContain(1)
    } finally {
      await balancer.stop()
    }
  })
})

describe('the option of HTTP/3', () => {
  it('opens UDP, and is verified', () => {
    const listens = (options: object) => haproxy.listens?.(contextOf(options)).filter(({ protocol }) => protocol === 'udp')
    expect(listens({})).toEqual([])
    expect(listens({ http3: true })).toEqual([{ service: 'http3', port: 443, protocol: 'udp', from: ['anyone'], encrypted: true }])
    const checks = haproxy.verify?.(contextOf({ http3: true })).map(({ name }) => name)
    expect(checks).toContain('HTTP/3 is offered on port 443 (UDP)')
  })

  it('listens on both families, and is off without the option', () => {
    const config = (options: object) => textOf(declaredBy({ ...SITE, ...options }), '/etc/haproxy/haproxy.cfg')
    expect(config({ http3: true, ipv6: true }).match(/bind quic.*/g)).toEqual([
      expect.stringMatching(/^bind quic4@:443 ssl crt-list \S+ crt-list \S+ alpn h3$/),
      expect.stringMatching(/^bind quic6@:::443 v6only ssl .* alpn h3$/),
    ])
    expect(config({})).not.toMatch(/quic|Alt-Svc/)
  })

  it.each<['debian' | 'ubuntu', string, boolean]>([
    ['debian', '12', false],
    ['debian', '13', true],
    ['ubuntu', '22.04', false],
    ['ubuntu', '24.04', true],
    ['ubuntu', '26.04', true],
  ])('on %s %s: %s', (distribution, release, isThere) => {
    const check = () => checkQuic('lb-01', { distribution, release })
    if (isThere) expect(check).not.toThrow()
    else
      expect(check).toThrow(
        expect.objectContaining({
          class: 'input',
          what: `HAProxy of ${distribution} ${release} has no HTTP/3`,
          where: { host: 'lb-01', role: 'haproxy-tls' },
        }),
      )
  })
})
