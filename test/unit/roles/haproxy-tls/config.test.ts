import { describe, expect, it } from 'vitest'
import haproxy from '../../../../roles/haproxy-tls/role.ts'
import nginx from '../../../../roles/nginx/role.ts'
import type { Flow } from '../../../../src/role/role.ts'
import { host } from '../context.ts'
import { declaredBy, textOf } from './balancer.ts'

const configured = (options: object = {}): string =>
  textOf(declaredBy({ certificates: [{ names: ['www.site.test'] }], ...options }), '/etc/haproxy/haproxy.cfg')

/** The lines of a section. */
const section = (text: string, name: string): readonly string[] =>
  (text.split(/\n(?=\S)/).find((part) => part.startsWith(`${name}\n`)) ?? '')
    .split('\n')
    .slice(1)
    .map((line) => line.trim())

describe('the timeouts', () => {
  const seconds = (lines: readonly string[], name: string): number =>
    Number(lines.find((line) => line.startsWith(`timeout ${name} `))?.match(/(\d+)ms$/)?.[1]) / 1000

  it.each([{}, { connect: 0.5, queue: 60, server: 600, client: 1 }, { connect: 30, queue: 0.1, server: 0.1, client: 3600 }])(
    'of the first pass outlast the second pass: %o',
    (timeouts) => {
      const text = configured({ timeouts })
      const [defaults, toOnce, once] = ['defaults', 'backend to-once', 'frontend once'].map((name) => section(text, name)) as [
        readonly string[],
        readonly string[],
        readonly string[],
      ]
      const [connect, queue, server] = ['connect', 'queue', 'server'].map((name) => seconds(defaults, name)) as [number, number, number]
      // HAProxy tries four times, and each time waits in the queue and for the connection.
      expect(seconds(toOnce, 'server')).toBeGreaterThan(4 * (queue + connect) + server)
      expect(seconds(once, 'client')).toBeGreaterThan(seconds(defaults, 'client'))
    },
  )

  it('are those of the options', () => {
    const timeouts = { connect: 1, client: 2, server: 3, queue: 4, request: 5, keep_alive: 6, tunnel: 7.25 }
    expect(section(configured({ timeouts }), 'defaults').filter((line) => line.startsWith('timeout '))).toEqual([
      'timeout connect 1000ms',
      'timeout client 2000ms',
      'timeout server 3000ms',
      'timeout http-request 5000ms',
      'timeout http-keep-alive 6000ms',
      'timeout queue 4000ms',
      'timeout tunnel 7250ms',
    ])
  })
})

describe('a request other than GET', () => {
  it('is repeated in no section but those of GET requests', () => {
    const lines = configured().split('\n')
    expect(
      lines.flatMap((line, i) => (line.includes('retry-on') ? [lines.slice(0, i).findLast((one) => /^\S/.test(one)) + line] : [])),
    ).toEqual([
      'backend to-once    retry-on none',
      'backend web    retry-on conn-failure empty-response',
      'backend web.once    retry-on conn-failure',
    ])
  })

  it('uses a new connection each time, in both passes', () => {
    for (const name of ['backend to-once', 'backend web.once'])
      expect(section(configured(), name)).toEqual(expect.arrayContaining(['http-reuse never', 'option http-server-close']))
    expect(section(configured(), 'backend web')).not.toContain('http-reuse never')
  })
})

describe('the processes of HAProxy', () => {
  it('run as haproxy in an empty root, and only root may enter the sockets', () => {
    expect(section(configured(), 'global')).toEqual(
      expect.arrayContaining([
        ...['chroot /var/lib/haproxy', 'user haproxy', 'group haproxy', 'log /dev/log local0', 'hard-stop-after 5m'],
        'stats socket /run/provision-haproxy/admin.sock mode 600 level admin',
      ]),
    )
    expect(configured()).toContain('bind unix@/var/lib/haproxy/once.sock accept-proxy user haproxy mode 600\n')
    expect(section(configured({ status_port: 9000 }), 'frontend status')[0]).toBe('bind 127.0.0.1:9000')
  })

  it('detect a lost web server, and limit what it gets', () => {
    const text = configured({ max_connections: 7, slow_start_seconds: 0 })
    expect(section(text, 'defaults')).toEqual(
      expect.arrayContaining([
        'option srvtcpka',
        'srvtcpka-idle 2s',
        'srvtcpka-intvl 1s',
        'srvtcpka-cnt 3',
        'option redispatch 1',
        'retries 3',
      ]),
    )
    for (const line of text.match(/^ {4}default-server .*$/gm) ?? []) expect(line).toMatch(/ssl verify required .* maxconn 7$/)
    expect(configured().match(/slowstart 10s$/gm)).toHaveLength(2)
    expect(text.match(/^ {4}server web.* tcp-ut 3s$/gm)).toHaveLength(4)
  })

  it.each([
    ['intermediate', 'ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets'],
    ['modern', 'ssl-default-bind-options ssl-min-ver TLSv1.3 no-tls-tickets'],
  ])('speak the versions of the profile %s', (tls, line) => {
    const lines = section(configured({ tls }), 'global')
    expect(lines).toContain(line)
    for (const word of ['CBC', 'RC4', 'DHE-RSA-AES', 'SHA1']) expect(lines.join('\n').replaceAll('ECDHE-RSA-AES', '')).not.toContain(word)
  })

  it('compress nothing unless that is requested', () => {
    expect(configured()).not.toContain('compression')
    expect(configured({ compression: true })).toContain('compression algo gzip\n')
  })
})

describe('the sections', () => {
  const names = (options: object = {}) => configured(options).match(/^[a-z].*$/gm)
  const BEFORE = ['global', 'defaults', 'frontend http', 'frontend https']

  it('are those that the options need', () => {
    const twice = ['backend to-once', 'frontend once']
    expect(names()).toEqual([...BEFORE, ...twice, 'backend visitors', 'backend web', 'backend web.once', 'frontend status'])
    expect(names({ rate_limit: false, retry_posts: true })).toEqual([...BEFORE, 'backend web', 'frontend status'])
    expect(names({ rate_limit: false, sites: [{ names: ['www.site.test'] }] })).toEqual([
      ...BEFORE,
      ...twice,
      ...['backend web.www.site.test', 'backend web.www.site.test.once', 'backend nobody', 'frontend status'],
    ])
    expect(configured({ rate_limit: false })).not.toMatch(/visitors|429/)
  })

  it('contain the additional lines that are for them', () => {
    const of = (word: string) => [`http-request set-header X-${word} 1`]
    const extra = {
      ...{ global: ['tune.maxrewrite 2048'], defaults: ['option http-no-delay'] },
      ...{ http: of('Http'), https: of('Https'), backend: of('Backend') },
    }
    const text = configured({ extra })
    expect(section(text, 'global')).toContain('tune.maxrewrite 2048')
    expect(section(text, 'defaults')).toContain('option http-no-delay')
    const sections = (text.match(/^[a-z].*$/gm) ?? []).filter((name) =>
      section(text, name).some((line) => line.includes('-header X-Backend')),
    )
    expect(sections).toEqual(['backend web', 'backend web.once'])
    expect(section(text, 'frontend https')).toContain('http-request set-header X-Https 1')
    const http = section(text, 'frontend http')
    // They precede the redirect, which ends the processing of a request.
    expect(http.indexOf('http-request set-header X-Http 1')).toBe(http.indexOf('http-request redirect scheme https code 301') - 1)
  })

  it('answer keepalived if the balancers share an address', () => {
    expect(configured()).not.toContain('monitor-uri')
    expect(section(configured({ virtual_address: '192.0.2.10/24', virtual_interface: 'eth0' }), 'frontend http')).toContain(
      'monitor-uri /.provision/alive',
    )
  })

  it('have all names of a site, however many these are', () => {
    for (const count of [1, 40, 41, 80, 81]) {
      const names = Array.from({ length: count }, (_, i) => `n${i}.test`)
      const text = configured({ certificates: names.map((name) => ({ names: [name] })), sites: [{ names }], retry_posts: true })
      const chosen = text.match(/^ {4}use_backend .*$/gm)?.flatMap((line) => line.match(/n\d+\.test(?= )/g)?.slice(1) ?? [])
      expect(chosen).toEqual(names)
    }
  })
})

describe('additional lines', () => {
  const lb = host('lb-01', '10.0.0.1')
  const faults = (options: object) =>
    haproxy.check?.({
      host: lb,
      options: haproxy.options.parse({ certificates: [{ names: ['a.test'] }], ...options }),
      site: { hosts: [lb], group: () => [lb], withRole: () => [lb] },
    })

  it.each([
    [{ extra: { defaults: ['timeout server 120s'] } }, ['extra', 'defaults', 0], /set `timeouts\.server`/],
    [
      { extra: { backend: ['http-request set-header A b', ' timeout  http-request 1s'] } },
      ['extra', 'backend', 1],
      /set `timeouts\.request`/,
    ],
    [{ extra: { backend: ['retry-on all-retryable-errors'] } }, ['extra', 'backend', 0], /retry_posts: true/],
    [{ extra: { defaults: ['retry-on 503'] } }, ['extra', 'defaults', 0], /retry_posts: true/],
    [{ extra: { defaults: ['retry-on 503'] }, retry_posts: true }, ['extra', 'defaults', 0], /move it to `extra\.backend`/],
  ])('that an option defeats are refused: %o', (options, path, fix) => {
    expect(faults(options)).toEqual([{ path, what: expect.any(String), fix: expect.stringMatching(fix) }])
  })

  it.each([
    { extra: { defaults: ['timeout tarpit 1s', 'option http-no-delay'] } },
    { extra: { backend: ['retry-on 503'] }, retry_posts: true },
    { extra: { https: ['http-request deny if { path /timeout }'] } },
  ])('of other kinds are accepted: %o', (options) => {
    expect(faults(options)).toEqual([])
  })
})

describe('a site that may take longer than the balancer waits', () => {
  const flowOf = (sites: readonly object[]): Partial<Flow> => {
    const web = host('web-01', '127.0.0.1')
    const options = nginx.options.parse({ sites })
    const [listen] = nginx.listens?.({ host: web, options, site: { hosts: [web], group: () => [web], withRole: () => [web] } }) ?? []
    return listen?.responseSeconds === undefined ? {} : { responseSeconds: listen.responseSeconds }
  }
  const site = (name: string, more: object) => ({ name, hosts: [`${name}.test`], ...more })
  const proxied = (name: string, timeout_seconds?: number) => site(name, { proxy: 'http://10.0.0.9:80', timeout_seconds })

  it('is an input error at the balancer', () => {
    const balance = (sites: readonly object[], server: number) =>
      declaredBy({ certificates: [{ names: ['a.test'] }], timeouts: { server } }, [8443, 8444], flowOf(sites))
    expect(() => balance([proxied('a', 10), proxied('b', 120)], 119.5)).toThrow(
      expect.objectContaining({
        class: 'input',
        where: { host: 'lb-01', role: 'haproxy-tls' },
        what: 'a site on web-01 may take 120 s to respond, and HAProxy waits only 119.5 s',
        fix: 'set `timeouts.server` of haproxy-tls to at least 120, or `timeout_seconds` of the site to at most 119',
      }),
    )
    expect(() => balance([proxied('a', 10), proxied('b', 120)], 120)).not.toThrow()
    expect(() => balance([proxied('a'), site('b', { content: 'x', timeout_seconds: 300 })], 1)).not.toThrow()
  })
})
