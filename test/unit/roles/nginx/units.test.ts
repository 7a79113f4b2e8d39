import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import nginx from '../../../../roles/nginx/role.ts'
import { bytesOf, type Content, shownText } from '../../../../src/resource/kind/content.ts'
import { keyOf } from '../../../../src/resource/kind/kind.ts'
import type { HostView } from '../../../../src/role/role.ts'
import { host, unknownIdentities } from '../context.ts'
import { declaredBy } from './server.ts'

const specOf = <T>(resources: ReturnType<typeof declaredBy>, key: string): T => {
  const found = resources.find((resource) => keyOf(resource) === key)
  if (found === undefined) throw new Error(`${key} is not declared`)
  return found.spec as T
}
const linesOf = (resources: ReturnType<typeof declaredBy>, key: string): readonly string[] => {
  const spec = specOf<{ content?: Content; file?: { content: Content } }>(resources, key)
  return (shownText((spec.content ?? spec.file?.content) as Content) ?? '').split('\n')
}
const app = (more: object = {}) => declaredBy({ sites: [{ name: 'shop', app: { command: '/bin/app --fast', port: 3000, ...more } }] })
const UNIT = 'unit:provision-app-shop.service'

describe('the unit of an application', () => {
  it('runs the command as an account of its own, on its port, in the slice of the web server', () => {
    expect(linesOf(app(), UNIT)).toEqual(
      expect.arrayContaining([
        ...[
          'ExecStart=/bin/app --fast',
          'Environment=PORT=3000',
          'DynamicUser=yes',
          'StateDirectory=provision-app-shop',
          'Slice=web.slice',
        ],
        ...[
          'Restart=always',
          'RestartSec=1s',
          'StartLimitIntervalSec=0',
          'WantedBy=multi-user.target',
          'TasksMax=1024',
          'LimitNOFILE=65536',
        ],
        // nginx starts when the application listens.
        'Before=nginx.service',
        ...['ProtectSystem=strict', 'UMask=0027', 'CapabilityBoundingSet=', 'SystemCallFilter=@chown'],
        ...['MemoryDenyWriteExecute=no', 'ProcSubset=all', 'RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6'],
      ]),
    )
    for (const key of ['User', 'RemoveIPC=no', 'EnvironmentFile', 'WorkingDirectory', 'ReadWritePaths', 'MemoryMax'])
      expect(linesOf(app(), UNIT).filter((line) => line.startsWith(key))).toEqual([])
  })

  it('follows the options', () => {
    const lines = linesOf(app({ user: 'shop', directory: '/srv/shop', writes: ['/srv/a', '/srv/b'], memory: '64m' }), UNIT)
    expect(lines).toEqual(
      expect.arrayContaining(['User=shop', 'RemoveIPC=no', 'WorkingDirectory=/srv/shop', 'ReadWritePaths=/srv/a /srv/b', 'MemoryMax=64M']),
    )
    expect(lines).not.toContain('DynamicUser=yes')
  })

  it('gets its environment from a file that only root can read, and is restarted if that changes', () => {
    const resources = app({ environment: { A: 'plain', B: '"\\$`' } })
    const file = specOf<{ mode: string; content: Content }>(resources, 'file:/etc/provision/provision-app-shop.env')
    expect(file.mode).toBe('600')
    expect(Buffer.from(bytesOf(file.content)).toString()).toBe('A="plain"\nB="\\"\\\\\\$\\`"\n')
    expect(linesOf(resources, UNIT)).toContain('EnvironmentFile=/etc/provision/provision-app-shop.env')
    const { restarts, reload } = specOf<{ restarts: readonly { path: string }[]; reload: string }>(
      resources,
      'service:provision-app-shop.service',
    )
    expect(reload).toBe('restart')
    expect(restarts.map(({ path }) => path)).toEqual([
      '/etc/provision/provision-app-shop.env',
      '/etc/systemd/system/provision-app-shop.service',
    ])
  })

  it('counts as started when the application accepts connections', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const scripts = (at: number) => {
      const resources = declaredBy({ sites: [{ name: 'shop', app: { command: '/bin/app', port: at } }] })
      const [post = ''] = linesOf(resources, UNIT).flatMap((line) => /^ExecStartPost=\/bin\/bash -c '(.*)'$/.exec(line)?.[1] ?? [])
      const took = String(specOf<{ took: unknown }>(resources, 'service:provision-app-shop.service').took)
      // bash reads ~/.bashrc if its standard input is a socket.
      const stdio = ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe']
      // Both try a hundred times, for ten seconds; here twice.
      for (const [text, times] of [
        [post, '{1..100}'],
        [took, '-lt 100 '],
      ] as const)
        expect(text).toContain(times)
      return [
        spawnSync('bash', ['-c', post.replace('{1..100}', '{1..2}')], { stdio }),
        spawnSync('sh', ['-c', `unit=shop.service; ${took.replace('-lt 100 ', '-lt 2 ')}`], { stdio }),
      ]
    }
    expect(scripts(port).map(({ status }) => status)).toEqual([0, 0])
    server.close()
    await once(server, 'close')
    const refused = scripts(port)
    expect(refused.map(({ status }) => status)).toEqual([1, 1])
    expect(refused.map(({ stdout }) => stdout.toString().trim())).toEqual([
      `the application does not listen on 127.0.0.1:${port}`,
      `shop.service does not listen on 127.0.0.1:${port}`,
    ])
  }, 60_000)
})

describe('nginx itself', () => {
  const resources = declaredBy({ content: 'site', share: { cpu_weight: 50, io_weight: 60, memory_percent: 70 } })
  const DROPIN = 'unit:nginx.service.d/provision.conf'

  it('shares a limited slice of the host with the applications', () => {
    expect(linesOf(resources, 'unit:web.slice')).toEqual(expect.arrayContaining(['CPUWeight=50', 'IOWeight=60', 'MemoryMax=70%']))
    expect(linesOf(resources, DROPIN)).toEqual(
      expect.arrayContaining(['Slice=web.slice', 'Restart=on-failure', 'RestartSec=1s', 'LimitNOFILE=16384']),
    )
  })

  it('may open ports and logs, start workers of another account, and write to its own directories only', () => {
    expect(linesOf(resources, DROPIN)).toEqual(
      expect.arrayContaining([
        'CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_SETUID CAP_SETGID CAP_CHOWN CAP_DAC_OVERRIDE CAP_KILL',
        'ReadWritePaths=/run /var/log/nginx /var/lib/nginx',
        ...['ProtectSystem=strict', 'UMask=0027', 'MemoryDenyWriteExecute=yes', 'NoNewPrivileges=yes'],
      ]),
    )
  })

  it('runs its workers as www-data, keeps connections of the balancers open, and issues no session tickets', () => {
    expect(linesOf(resources, 'file:/etc/nginx/nginx.conf').map((line) => line.trim())).toEqual(
      expect.arrayContaining([
        ...['user www-data;', 'worker_processes auto;', 'worker_rlimit_nofile 16384;', 'worker_connections 4096;', 'pid /run/nginx.pid;'],
        ...['error_log /var/log/nginx/error.log;', 'access_log /var/log/nginx/access.log timed;'],
        // Longer than a balancer keeps an idle connection, so that nginx is never the one that closes it.
        ...['keepalive_timeout 75s;', 'keepalive_requests 100000;', 'client_header_timeout 10s;'],
        ...[
          'ssl_protocols TLSv1.3;',
          'ssl_verify_client on;',
          'ssl_verify_depth 2;',
          'ssl_session_tickets off;',
          'ssl_session_cache shared:tls:10m;',
        ],
        ...['ssl_certificate /etc/ssl/nginx/edge.pem;', 'ssl_certificate_key /etc/ssl/nginx/edge.pem.key;'],
        ...['ssl_client_certificate /etc/ssl/nginx/edge-authority.pem;', 'server_tokens off;', 'sendfile on;', 'tcp_nopush on;'],
        'default_type application/octet-stream;',
      ]),
    )
  })

  it('leaves it to the balancers how long visitors and applications may take', () => {
    expect(linesOf(resources, 'file:/etc/nginx/nginx.conf').map((line) => line.trim())).toEqual(
      expect.arrayContaining(['client_body_timeout 1d;', 'send_timeout 1d;', 'proxy_read_timeout 1d;', 'proxy_send_timeout 1d;']),
    )
    const proxied = (more: object) => {
      const site = { name: 'api', hosts: ['api.test'], proxy: 'http://127.0.0.1:3000', ...more }
      return linesOf(declaredBy({ sites: [site] }), 'file:/etc/nginx/provision/api.conf').flatMap(
        (line) => /^ *(proxy_\w+_timeout .*;)$/.exec(line)?.slice(1) ?? [],
      )
    }
    expect(proxied({})).toEqual(['proxy_connect_timeout 3s;'])
    expect(proxied({ timeout_seconds: 7 })).toEqual([
      'proxy_connect_timeout 3s;', // of WebSockets, which may be idle
      ...['proxy_connect_timeout 3s;', 'proxy_read_timeout 7s;', 'proxy_send_timeout 7s;'],
    ])
  })

  it('limits visitors as a site asks', () => {
    const site = { name: 'my-shop', content: 'x', requests_per_second: 3, connections: 4 }
    expect(
      linesOf(declaredBy({ sites: [site] }), 'file:/etc/nginx/provision/my-shop.conf').filter((line) => line.includes('limit_')),
    ).toEqual([
      'limit_req_zone $binary_remote_addr zone=my_shop_requests:10m rate=3r/s;',
      'limit_conn_zone $binary_remote_addr zone=my_shop_connections:10m;',
      '  limit_req zone=my_shop_requests burst=6 nodelay;',
      '  limit_req_status 429;',
      '  limit_conn my_shop_connections 4;',
      '  limit_conn_status 429;',
    ])
  })

  it('loads its certificate and files, which nginx checked together, and restarts for its limits only', () => {
    const all = declaredBy({ sites: [{ name: 'www', content: 'pages' }], keep: 7, release: 'previous' })
    expect(specOf(all, 'certificate:/etc/ssl/nginx/edge.pem')).toMatchObject({
      names: ['web-01.edge.provision.internal'],
      usages: ['client', 'server'],
    })
    expect(specOf(all, 'release:/var/www/provision/www')).toMatchObject({ keep: 7, which: 'previous' })
    const set = { name: 'nginx', root: '/etc/nginx', check: ['nginx', '-t', '-q'] }
    for (const path of ['nginx.conf', 'provision/www.conf']) expect(specOf(all, `file:/etc/nginx/${path}`)).toMatchObject({ set })
    const { loads, restarts, took, ...service } = specOf<Record<'loads' | 'restarts', readonly { path: string }[]> & { took: unknown }>(
      all,
      'service:nginx.service',
    )
    expect(service).toMatchObject({ unit: 'nginx.service', set: 'nginx' })
    expect(String(took)).toContain('new_worker')
    expect(loads.map(({ path }) => path)).toEqual(
      expect.arrayContaining([
        ...['/etc/ssl/nginx/edge.pem', '/etc/ssl/nginx/edge.pem.key', '/etc/ssl/nginx/edge-authority.pem'],
        ...['/etc/nginx/nginx.conf', '/etc/nginx/provision/www.conf'],
      ]),
    )
    expect(restarts.map(({ path }) => path)).toEqual([
      ...['/etc/systemd/system/web.slice', '/etc/systemd/system/nginx.service.d/provision.conf'],
    ])
  })

  it('has no directories for files and applications that it does not serve', () => {
    const directories = (site: object) =>
      declaredBy({ sites: [{ name: 'www', hosts: ['www.test'], ...site }] }).flatMap((one) =>
        /^directory:\/(var|etc\/provision)/.test(keyOf(one)) ? [one.id] : [],
      )
    expect(directories({ proxy: 'http://127.0.0.1:1' })).toEqual([])
    expect(directories({ content: 'x' })).toEqual(['/var/www/provision', '/var/www/provision/www'])
    expect(directories({ app: { command: '/bin/app', port: 3000 } })).toEqual(['/etc/provision'])
  })

  it('listens on IPv6 unless that is off, and compresses with brotli if that is on', () => {
    const site = 'file:/etc/nginx/provision/site.conf'
    const listens = (given: object) => linesOf(declaredBy({ content: 'site', ...given }), site).filter((line) => line.includes('listen '))
    expect(listens({ port: 9443 })).toEqual(['  listen 9443 ssl default_server;', '  listen [::]:9443 ssl default_server;'])
    expect(listens({ ipv6: false })).toEqual(['  listen 8443 ssl default_server;'])
    const plain = declaredBy({ content: 'site' })
    const brotli = declaredBy({ content: 'site', brotli: true })
    expect(plain.map(keyOf)).not.toContain('package:libnginx-mod-http-brotli-filter')
    expect(brotli.map(keyOf)).toContain('package:libnginx-mod-http-brotli-filter')
    const directives = (of: typeof plain) =>
      [...linesOf(of, 'file:/etc/nginx/nginx.conf'), ...linesOf(of, site)].filter((line) => line.includes('brotli'))
    expect(directives(plain)).toEqual([])
    expect(directives(brotli).map((line) => line.trim().split(' ')[0])).toEqual([
      'load_module',
      'brotli_types',
      'brotli_min_length',
      'brotli',
    ])
  })

  it('includes directives of raw in the block that they are for', () => {
    const raw = declaredBy({ content: 'site', raw: 'map_hash_bucket_size 128;' })
    const text = linesOf(raw, 'file:/etc/nginx/nginx.conf')
    expect(text.indexOf('map_hash_bucket_size 128;')).toBeGreaterThan(text.indexOf('http {'))
    expect(text.indexOf('map_hash_bucket_size 128;')).toBeLessThan(text.lastIndexOf('}'))
  })
})

describe('the peers of nginx', () => {
  const [web, lb, mon] = [host('web-01', '10.0.0.12'), host('lb-01', '10.0.0.11'), host('mon-01', '10.0.0.20')] as [
    HostView,
    HostView,
    HostView,
  ]
  const contextOf = (monitors: readonly HostView[], given: object = {}) => ({
    ...unknownIdentities,
    host: web,
    options: nginx.options.parse({ content: 'site', ...given }),
    site: {
      hosts: [web, lb, mon],
      group: (name: string) => (name === 'load_balancers' ? [lb] : name === 'monitoring_servers' ? monitors : []),
      withRole: () => [],
    },
    flows: [],
    exposed: [],
    facts: {},
  })
  const peers = (monitors: readonly HostView[], given: object = {}) => nginx.listens?.(contextOf(monitors, given))[0]?.from
  const admitted = (monitors: readonly HostView[]) => {
    const lines = linesOf(nginx.resources(contextOf(monitors) as never), 'file:/etc/nginx/nginx.conf').map((line) => line.trim())
    return lines.filter((line) => /^(10\.\S+ 1;|"CN=.*|set_real_ip_from .*)$/.test(line))
  }

  it('are the balancers, and monitoring servers if there are any', () => {
    expect(peers([mon])).toEqual([{ group: 'load_balancers' }, { group: 'monitoring_servers' }])
    expect(peers([])).toEqual([{ group: 'load_balancers' }])
    expect(peers([lb], { monitors: 'load_balancers' })).toEqual([{ group: 'load_balancers' }])
  })

  it('are admitted by address and certificate, and only balancers report the address of a visitor', () => {
    expect(admitted([mon, lb])).toEqual([
      ...['10.0.0.11 1;', '10.0.0.20 1;'],
      ...['lb-01', 'mon-01', 'web-01'].map((name) => `"CN=${name}.edge.provision.internal" $from_balancer;`),
      'set_real_ip_from 10.0.0.11;',
    ])
  })

  it('get metrics and a probe of the host', () => {
    expect(nginx.exposes?.(contextOf([mon], { status_port: 9000, port: 9443 }))).toEqual([
      { type: 'metrics', job: 'nginx', format: 'nginx-status', at: 'http://127.0.0.1:9000/status' },
      {
        ...{ type: 'probe', name: 'web-01', of: 'direct', url: 'https://10.0.0.12:9443/healthz' },
        ...{ server: 'web-01.edge.provision.internal', trusts: { domain: 'edge' } },
      },
    ])
  })
})
