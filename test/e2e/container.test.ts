import { container, file, listensOf, pkg, quadlet, type Resource, Secret, service } from 'provision'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import firewall from '../../roles/firewall/role.ts'
import { orphan } from '../../src/resource/ownership/orphan.ts'
import { OWNED, recordHead, recordLine, recordPath } from '../../src/resource/ownership/record.ts'
import { resolveFlows } from '../../src/role/flows.ts'
import { quote } from '../../src/shell/quote.ts'
import { asked } from './support/network/asked.ts'
import { HAS_QUADLETS, imagesIn, PODMAN_FILES, PODMAN_PACKAGES, REGISTRY } from './support/services/registry.ts'
import { type TestHost, testHost } from './support/test-host.ts'

const ADDRESS = '10.79.66.11'
let host: TestHost
let images: readonly string[] = []
beforeAll(async () => {
  if (!HAS_QUADLETS) return
  host = await testHost('t-pod', '10.79.66')
  await host.apply(PODMAN_PACKAGES.map((name) => pkg({ name })))
  await host.apply(Object.entries(PODMAN_FILES).map(([path, content]) => file({ path, content })))
  images = imagesIn(await host.run(REGISTRY))
}, 600_000)
afterAll(() => host?.down())

const web = (image: string, more: Partial<Parameters<typeof container>[0]> = {}): readonly Resource[] =>
  container({
    ...{ name: 'web', image, ports: [{ port: 8080 }], memory: '64M', readOnly: true, volumes: [{ source: 'web-data', target: '/data' }] },
    ...{
      health: { command: 'wget -qO- http://127.0.0.1:8080/' },
      environment: { PASSWORD: new Secret('geheim $1 "%"'), PLAIN: 'a $b "c" 5%' },
    },
    ...more,
  })
const page = (): Promise<string> => host.run('busybox wget -qO- http://127.0.0.1:8080/')

describe.skipIf(!HAS_QUADLETS)('a container', () => {
  it('runs with its environment, and nothing is left to do', async () => {
    const [one = ''] = images
    expect(await host.plan(web(one))).toEqual([
      'create file:/etc/containers/provision.web.env: missing',
      'create quadlet:web.container: missing',
      expect.stringMatching(/^create service:web.service: /),
    ])
    await host.apply(web(one))
    expect(await host.plan(web(one))).toEqual([])
    expect(await page()).toBe('1\n')
    expect(await host.run('podman exec web /bin/env </dev/null 2>/dev/null | grep -E "^(PASSWORD|PLAIN)=" | sort')).toBe(
      'PASSWORD=geheim $1 "%"\nPLAIN=a $b "c" 5%\n',
    )
    expect(await host.run('grep -rl geheim /etc/containers/systemd /run/systemd /proc/[0-9]*/cmdline 2>/dev/null || :')).toBe('')
    expect(await host.run('stat -c "%a %U" /etc/containers/provision.web.env; systemctl show -P MemoryMax web')).toBe(
      `600 root\n${64 * 1024 * 1024}\n`,
    )
  }, 120_000)

  it('restarts with another image, also if the run was cut between file and restart', async () => {
    const [, two = ''] = images
    const [secrets, unit] = web(two)
    if (secrets === undefined || unit === undefined) throw new Error('no resources')
    await host.apply([secrets, unit])
    expect(await page()).toBe('1\n')
    expect(await host.plan(web(two))).toEqual(['update service:web.service: runs with an older /etc/containers/systemd/web.container'])
    await host.apply(web(two))
    expect(await page()).toBe('2\n')
    expect(await host.run('podman container inspect -f "{{.ImageName}}" web 2>/dev/null </dev/null')).toBe(`${two}\n`)
    expect(await host.plan(web(two))).toEqual([])
  }, 120_000)

  it('restarts with another secret, starts after it was stopped, and gets back an image that was deleted', async () => {
    const [, two = ''] = images
    const changed = web(two, { environment: { PASSWORD: new Secret('anders') } })
    await host.apply(changed)
    expect(await host.run('podman exec web /bin/env </dev/null 2>/dev/null | grep ^PASSWORD')).toBe('PASSWORD=anders\n')
    await host.run('systemctl stop web; podman rmi -af </dev/null >/dev/null 2>&1')
    expect(await host.plan(changed)).toEqual(['update quadlet:web.container: image missing', 'update service:web.service: not running'])
    await host.apply(changed)
    expect(await host.plan(changed)).toEqual([])
    expect(await page()).toBe('2\n')
  }, 120_000)

  it('is reachable from its peers only, through the firewall of its host', async () => {
    const [, two = ''] = images
    const exposed = web(two, {
      environment: { PASSWORD: new Secret('anders') },
      ports: [
        { port: 8080, from: ['10.79.66.1'] },
        { port: 8081, to: 8080, address: '0.0.0.0' },
        { port: 8082, to: 8080, from: ['192.0.2.7'] },
      ],
    })
    await host.apply(exposed)
    // Without a firewall, podman opens all of them.
    expect(await Promise.all([8080, 8081, 8082].map((port) => asked(ADDRESS, port, 3000)))).toEqual(['open', 'open', 'open'])
    const view = { name: 'host-01', user: 'ops', sshPort: 22, addresses: [ADDRESS], publicAddresses: [], groups: [] }
    const site = { hosts: [view], group: () => [], withRole: () => [] }
    const { flows } = resolveFlows([{ host: view, role: 'web', listens: listensOf(exposed), where: { command: 'test' } }], site)
    const closed = firewall.resources({
      ...{ host: view, site, flows, exposed: [], facts: host.session.facts },
      options: firewall.options.parse({ administrators: ['10.79.66.0/24'], outgoing: { policy: 'drop' } }),
      warn: () => {},
    } as unknown as Parameters<typeof firewall.resources>[0])
    await host.apply(closed)
    expect(await Promise.all([8080, 8081, 8082].map((port) => asked(ADDRESS, port, 3000)))).toEqual(['open', 'silent', 'silent'])
    expect(await page()).toBe('2\n')
    // The host reaches what it needs, and its accounts nothing else.
    await host.run('rm -rf /var/lib/apt/lists; apt-get -qq update && apt-cache show nano >/dev/null')
    const connect = (port: number, account: string) =>
      host.run(
        `setpriv --reuid ${account} --clear-groups timeout 2 bash -c 'exec 3<>/dev/tcp/10.79.66.1/${port}' 2>/dev/null && echo open || echo $?`,
      )
    expect([await connect(22, 'nobody'), await connect(443, 'nobody')]).toEqual(['124\n', '124\n'])
    // A restarted container has the same rules.
    await host.run('systemctl restart web')
    expect(await asked(ADDRESS, 8080, 3000)).toBe('open')
    expect(await host.plan([...exposed, ...closed])).toEqual([])
    await host.run('systemctl disable --now provision-firewall; nft delete table inet provision')
  }, 120_000)

  it('keeps the running container if an image cannot be pulled, or if podman cannot read the file', async () => {
    const gone = await host.refused(web(`127.0.0.1:5000/web@sha256:${'0'.repeat(64)}`))
    expect(gone.what).toMatch(/^image 127\.0\.0\.1:5000\/web@sha256:0+ not pulled/)
    const wrong = await host.refused([quadlet({ name: 'wrong.container', content: '[Container]\nNonsense=1\n' })])
    expect(wrong.why).toMatch(/unsupported key 'Nonsense'/)
    expect(await page()).toBe('2\n')
  }, 120_000)

  it('fails to start if it is never healthy', async () => {
    const sick = container({
      name: 'sick',
      image: images[0] ?? '',
      health: { command: 'false', interval: '1s', retries: 1 },
      startTimeout: '20s',
    })
    expect((await host.refused(sick)).what).toBe('sick.service did not start')
    await host.run('rm /etc/containers/systemd/sick.container; systemctl daemon-reload')
  }, 120_000)

  it('is stopped and deleted by --prune, and its volume stays', async () => {
    const [, two = ''] = images
    const [, unit] = web(two)
    if (unit === undefined) throw new Error('no resource')
    await host.apply(web(two))
    const [{ path = '', sha256 = '' } = {}] = unit.kind.files?.(unit.spec) ?? []
    const key = 'quadlet:web.container'
    const line = recordLine(key, path, sha256)
    await host.run(`mkdir -p -m 700 ${OWNED}; printf '%s' ${quote(`${recordHead(['site.yaml'])}${line}\n`)} >${recordPath('test')}`)
    await host.apply([orphan({ role: 'test', prune: true, owned: { key, text: line, path, digest: sha256 } })])
    expect(
      await host.run(
        'systemctl is-active web || :; ls /etc/containers/systemd; podman volume ls -q </dev/null 2>/dev/null; podman ps -q </dev/null 2>/dev/null',
      ),
    ).toBe('inactive\nusers\nweb-data\n')
    expect(await host.plan([service({ unit: 'docker-registry.service' })])).toEqual([])
  }, 120_000)
})
