import { container, file, pkg, quadlet, type Resource, Secret, service } from 'provision'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { orphan } from '../../src/resource/ownership/orphan.ts'
import { OWNED, recordHead, recordLine, recordPath } from '../../src/resource/ownership/record.ts'
import { quote } from '../../src/shell/quote.ts'
import { HAS_QUADLETS, imagesIn, PODMAN_FILES, PODMAN_PACKAGES, REGISTRY } from './support/services/registry.ts'
import { type TestHost, testHost } from './support/test-host.ts'

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
