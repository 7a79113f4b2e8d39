import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls, createServer as createTls, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import haproxy from '../../../../roles/haproxy-tls/role.ts'
import type { Flow } from '../../../../src/role/role.ts'
import { host, unknownIdentities } from '../context.ts'
import { type Balancer, contextOf, declaredBy, hasHaproxy, startBalancer, textOf } from './balancer.ts'
import { freePort } from './edge.ts'

const CERTIFICATES = [{ names: ['www.site.test'] }]

const listening = async (server: Server): Promise<number> => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** A server that sends its name, and then all that it receives. */
const talking = (name: string): Server =>
  createServer((socket) => {
    socket.on('error', () => undefined)
    socket.write(`${name}\n`)
    socket.pipe(socket)
  })

const said = async (port: number, words = '', localAddress = '127.0.0.1'): Promise<string> => {
  const socket = connect({ port, host: '127.0.0.1', localAddress })
  socket.on('error', () => undefined)
  socket.write(words)
  let all = ''
  socket.setEncoding('utf8').on('data', (text: string) => (all += text))
  await Promise.race([new Promise((resolve) => socket.once('close', resolve)), sleep(400)])
  socket.destroy()
  return all
}

describe.runIf(hasHaproxy)('a TCP service', () => {
  const servers = [talking('sql'), talking('proxied')]
  // Visitors see the certificate of this server.
  const mail = createTls((socket) => void socket.end('mail'))
  let balancer: Balancer
  let [sql, proxied, only, named] = [0, 0, 0, 0]
  beforeAll(async () => {
    const [first = 0, second = 0] = await Promise.all(servers.map(listening))
    const third = await listening(mail)
    ;[sql, proxied, only, named] = (await Promise.all([freePort(), freePort(), freePort(), freePort()])) as [number, number, number, number]
    const tcp = [
      { name: 'sql', port: sql, backend: 'web-01', backend_port: first, from: ['anyone'] },
      { name: 'proxied', port: proxied, backend: 'web-01', backend_port: second, from: ['anyone'], proxy_protocol: true },
      { name: 'only', port: only, backend: 'web-01', backend_port: first, from: [{ network: '127.0.0.8/32' }] },
      { name: 'gone', port: named, backend: 'web-02', backend_port: await freePort(), from: ['anyone'] },
      {
        name: 'mail',
        port: 443,
        backend: 'web-02',
        backend_port: third,
        from: ['anyone'],
        sni: ['mail.test', '*.wild.test'],
        check: 'tls',
      },
      { name: 'mail-too', port: named, backend: 'web-02', backend_port: third, from: ['anyone'], sni: ['mail.test'] },
    ]
    const answer = (request: { headers: object }, response: { end(text: string): void }) =>
      response.end(String((request.headers as Record<string, string>)['x-forwarded-for']))
    balancer = await startBalancer({ options: { tcp }, answer: answer as never })
    const [key, cert] = ['key', 'pem'].map((suffix) => readFileSync(join(balancer.files, `web-02.${suffix}`)))
    mail.setSecureContext({ key, cert })
    for (let i = 0; i < 100 && (await balancer.states()).get('tcp.mail/web-02') !== 'UP'; i++) await sleep(100)
  })
  afterAll(async () => {
    await balancer?.stop()
    for (const server of [...servers, mail]) server.close()
  })
  const secure = async (port: number, servername: string, before = ''): Promise<TLSSocket> => {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write(before)
    const tls = connectTls({ socket, servername, rejectUnauthorized: false })
    await once(tls, 'secureConnect')
    return tls
  }
  const nameOf = async (port: number, servername: string): Promise<string> => {
    const socket = await secure(port, servername, port === balancer.ports.https ? 'PROXY TCP4 192.0.2.7 192.0.2.99 40000 443\r\n' : '')
    const { subject } = socket.getPeerCertificate()
    socket.destroy()
    return String(subject.CN)
  }

  it('is connected to its server', async () => {
    expect(await said(sql, 'select')).toBe('sql\nselect')
  })

  it('sends the visitor’s address to its server if that is declared', async () => {
    expect(await said(proxied, 'x')).toMatch(/^proxied\n\r\n\r\n\0\r\nQUIT\n/)
  })

  it('admits the networks of its option only', async () => {
    expect(await said(only, '', '127.0.0.8')).toBe('sql\n')
    expect(await said(only, '', '127.0.0.7')).toBe('')
  })

  it('gets TLS connections by their names, undecrypted, beside the sites on the same port', async () => {
    const { direct, https } = balancer.ports
    for (const port of [direct, https]) {
      expect(await nameOf(port, 'mail.test')).toBe('web-02.edge.provision.internal')
      expect(await nameOf(port, 'MAIL.test')).toBe('web-02.edge.provision.internal')
      expect(await nameOf(port, 'a.wild.test')).toBe('web-02.edge.provision.internal')
      for (const name of ['www.site.test', 'a.b.wild.test', 'notmail.test']) expect(await nameOf(port, name)).toBe('www.site.test')
    }
    expect(await nameOf(named, 'mail.test')).toBe('web-02.edge.provision.internal')
  })

  it('leaves the visitor’s address to the sites', async () => {
    for (const method of ['GET', 'POST']) expect((await balancer.ask({ from: '192.0.2.7', method })).body).toBe('192.0.2.7')
  })

  it('is checked', async () => {
    const states = await balancer.states()
    expect(['tcp.sql/web-01', 'tcp.mail/web-02'].map((name) => states.get(name))).toEqual(['UP', 'UP'])
    expect(states.get('tcp.gone/web-02')).toMatch(/^DOWN/)
    expect(await said(named, 'x')).toBe('')
  })
})

describe('the services', () => {
  const tcp = [
    { name: 'sql', port: 3306, backend: 'web-01', from: [{ group: 'web' }, { network: '192.0.2.0/24' }] },
    { name: 'mail', port: 443, backend: 'web-02', from: ['anyone'], sni: ['mail.test'] },
  ]

  it('are open to the peers in the options', () => {
    const listens = haproxy.listens?.(contextOf({ certificates: CERTIFICATES, tcp }))
    expect(listens?.slice(2)).toEqual([
      { service: 'tcp-3306', port: 3306, protocol: 'tcp', encrypted: false, from: [{ group: 'web' }, { network: '192.0.2.0/24' }] },
    ])
    const config = textOf(declaredBy({ certificates: CERTIFICATES, tcp }), '/etc/haproxy/haproxy.cfg')
    expect(config).toContain('    acl admitted src 127.0.0.1 127.0.0.1 192.0.2.0/24\n    tcp-request connection reject if !admitted\n')
  })

  it('are drained and checked like sites', () => {
    const context = { ...contextOf({ certificates: CERTIFICATES, tcp, backend: 'web' }) }
    const only = { ...context, site: { ...context.site, group: (name: string) => (name === 'db' ? [host('db-01', '10.0.0.9')] : []) } }
    const given = { ...only, options: { ...only.options, tcp: only.options.tcp.map((one) => ({ ...one, backend: 'db' })) } }
    expect(haproxy.drains?.(given, host('db-01', '10.0.0.9'))).toBeDefined()
    expect(haproxy.drains?.(given, host('db-02', '10.0.0.8'))).toBeUndefined()
    expect(String(haproxy.serves?.(given))).toContain('tcp.sql tcp.mail')
  })

  it('are warned about if nothing opens the port of a server', () => {
    const warnings: string[] = []
    const context = contextOf({ certificates: CERTIFICATES, tcp: tcp.slice(0, 1) })
    const site: Flow = {
      ...{ host: 'web-01', role: 'nginx', service: 'site', port: 8443, protocol: 'tcp', encrypted: true },
      from: [{ name: 'lb-01', addresses: [] }],
    }
    const flows = [site, { ...site, service: 'sql', port: 3306 }]
    const warn = (what: string) => warnings.push(what)
    haproxy.resources({ ...unknownIdentities, ...context, flows, exposed: [], facts: {}, warn } as never)
    expect(warnings).toEqual([
      'no role opens port 3306 of web-02 to lb-01 for the service sql; if the firewall runs there, open it with its option `open`',
    ])
  })

  const faults = (...services: readonly object[]): readonly string[] => {
    const all = services.map((one, i) => ({ name: `s${i}`, port: 5000, backend: 'web', from: ['anyone'], ...one }))
    const context = contextOf({ certificates: CERTIFICATES, tcp: all })
    const group = (name: string) => (name === 'none' ? [] : context.site.group())
    return haproxy.check?.({ ...context, site: { ...context.site, group } }).map(({ path, what }) => `${path.join('.')}: ${what}`) ?? []
  }

  it.each<[readonly object[], readonly string[]]>([
    [[{}], []],
    [[{ sni: ['a.test'] }, { sni: ['b.test'] }, {}], []],
    [[{ backend: 'none' }], ['tcp.0.backend: group none has no hosts']],
    [[{ port: 80 }], ['tcp.0.port: port 80 is used by the balancer itself']],
    [[{ port: 8405 }], ['tcp.0.port: port 8405 is used by the balancer itself']],
    [[{ port: 443 }], ['tcp.0.port: port 443 is that of the sites']],
    [[{ port: 443, sni: ['a.test'], from: [{ group: 'web' }] }], ['tcp.0.from: port 443 is open to anyone']],
    [
      [{ port: 443, sni: ['www.site.test'] }],
      ['tcp.0.sni: www.site.test is also in certificates, and its connections would not reach the site'],
    ],
    [[{}, {}], ['tcp.1.port: port 5000 is that of service s0']],
    [[{ name: 'x' }, { name: 'x', port: 5001 }], ['tcp.1.name: x is the name of two services']],
    [[{}, { sni: ['a.test'], from: [{ group: 'web' }] }], ['tcp.1.from: service s0 admits others to port 5000']],
    [[{ sni: ['a.test'] }, { sni: ['a.test'] }], ['tcp.1.sni: a.test belongs to two services of port 5000']],
  ])('%o', (services, expected) => {
    expect(faults(...services)).toEqual(expected)
  })

  it.each([{ name: 'a b' }, { port: 0 }, { sni: [] }, { sni: ['x'] }, { from: [] }, { from: ['web'] }, { check: 'sql' }])(
    'are refused as %o',
    (wrong) => {
      const service = { name: 'a', port: 5000, backend: 'web', from: ['anyone'], ...wrong }
      expect(haproxy.options.safeParse({ certificates: CERTIFICATES, tcp: [service] }).success).toBe(false)
    },
  )
})
