import { describe, expect, it } from 'vitest'
import { type ContainerOptions, container } from '../../../../src/resource/container/container.ts'
import { asText, bytesOf, shownText } from '../../../../src/resource/kind/content.ts'
import { listensOf } from '../../../../src/role/flow/published.ts'
import { Secret } from '../../../../src/secret/secret.ts'

const DIGEST = `docker.io/library/nginx@sha256:${'a'.repeat(64)}`
const made = (options: Partial<ContainerOptions> = {}) => container({ name: 'shop', image: DIGEST, ...options })
const textOf = (options: Partial<ContainerOptions> = {}): string => {
  const unit = made(options).find(({ kind }) => kind.name === 'quadlet')
  const content = unit?.kind.content?.(unit.spec)
  return content === undefined ? '' : (asText(bytesOf(content)) ?? '')
}
const linesOf = (options: Partial<ContainerOptions> = {}): readonly string[] => textOf(options).split('\n')

describe('ports', () => {
  const published = (port: object) => linesOf({ ports: [port as never] }).find((line) => line.startsWith('PublishPort='))

  it('are published on all addresses only if they have peers', () => {
    expect(published({ port: 8080 })).toBe('PublishPort=127.0.0.1:8080:8080/tcp')
    expect(published({ port: 8080, to: 80, from: ['anyone'] })).toBe('PublishPort=0.0.0.0:8080:80/tcp')
    expect(published({ port: 8080, from: ['web'], address: '192.0.2.7' })).toBe('PublishPort=192.0.2.7:8080:8080/tcp')
  })

  it('of the network host are not published and only name their peers', () => {
    const options = { network: 'host', ports: [{ port: 8080, from: ['web'] }] }
    expect(linesOf(options).filter((line) => /^(PublishPort|Network)=/.test(line))).toEqual(['Network=host'])
    expect(listensOf(made(options))).toEqual([{ service: 'shop', port: 8080, protocol: 'tcp', from: [{ group: 'web' }] }])
    expect(() => made({ network: 'host', ports: [{ port: 8080, to: 80, from: ['web'] }] })).toThrow('must have only')
    expect(() => made({ network: 'none', ports: [{ port: 8080, from: ['web'] }] })).toThrow('must have only')
  })

  it.each([
    [{ port: 80, from: ['anyone'], address: '127.0.0.1' }, 'must not be set with 127.0.0.1, to which other hosts cannot connect'],
    [{ port: 80, from: ['anyone'], address: '::1' }, 'must not be set with ::1, to which other hosts cannot connect'],
    [{ port: 80, why: 'x' }, 'must not be set without `from`'],
    [{ port: 80, from: [] }, 'Too small'],
    [{ port: 80, from: ['anyone'], why: 'a "quoted" reason' }, 'without quotation marks'],
  ])('%j is refused', (port, message) => {
    expect(() => made({ ports: [port] })).toThrow(message)
  })
})

describe('a container', () => {
  it('is a file for podman, and a service that restarts if it changes', () => {
    expect(made().map(({ kind, id }) => `${kind.name}:${id}`)).toEqual(['quadlet:shop.container', 'service:shop.service'])
    expect(made()[1]?.spec).toMatchObject({ restarts: [{ path: '/etc/containers/systemd/shop.container' }], enabled: true, running: true })
    expect(made()[0]?.spec).toMatchObject({ images: [DIGEST] })
    expect(textOf()).toBe(`[Unit]
Description=container shop

[Container]
ContainerName=shop
Image=${DIGEST}
NoNewPrivileges=true

[Service]
Restart=always
TimeoutStartSec=5min
SuccessExitStatus=143

[Install]
WantedBy=multi-user.target
`)
  })

  it('has its secrets in a file of root, which the service loads by a restart', () => {
    const [file, unit, service] = made({ environment: { PASSWORD: new Secret('geheim$1'), LANG: 'C.UTF-8', PORT: 80, DEBUG: false } })
    expect(file?.spec).toMatchObject({ path: '/etc/containers/provision.shop.env', mode: '600', owner: 'root' })
    const content = file?.kind.content?.(file.spec)
    expect(content && asText(bytesOf(content))).toBe('PASSWORD=geheim$1\n')
    const text = unit?.kind.content?.(unit.spec)
    expect(text && shownText(text)).toContain(
      '\nEnvironment=LANG=C.UTF-8\nEnvironment=PORT=80\nEnvironment=DEBUG=false\nEnvironmentFile=/etc/containers/provision.shop.env\n',
    )
    expect(text && shownText(text)).not.toContain('geheim')
    expect(service?.spec).toMatchObject({
      restarts: [{ path: '/etc/containers/systemd/shop.container' }, { path: '/etc/containers/provision.shop.env' }],
    })
  })

  it('has every option in the words of podman', () => {
    const lines = linesOf({
      description: '100% of the shop',
      command: ['serve', '--as', 'a "b" $c 5%', ''],
      volumes: [
        { source: '/srv/a$b', target: '/data', readOnly: true },
        { source: 'shop-data', target: '/var/lib/shop' },
      ],
      ports: [
        { port: 8080, to: 80 },
        { port: 53, address: '::', protocol: 'udp' },
      ],
      network: 'shop.network',
      health: { command: 'test "$UP" = 1' },
      readOnly: true,
      user: 'node:staff',
      userNamespace: 'auto',
      memory: '512M',
      cpus: 1.5,
      restart: 'on-failure',
      startTimeout: '30s',
      settings: { Label: ['a=b', 'c=d'] },
    })
    expect(lines).toEqual(
      expect.arrayContaining([
        'Description=100%% of the shop',
        'Exec=serve --as "a \\"b\\" $$c 5%%" ""',
        'Volume=/srv/a$$b:/data:ro',
        'Volume=shop-data:/var/lib/shop',
        'PublishPort=127.0.0.1:8080:80/tcp',
        'PublishPort=[::]:53:53/udp',
        'Network=shop.network',
        'HealthCmd=test "$$UP" = 1',
        ...['HealthInterval=30s', 'HealthTimeout=10s', 'HealthRetries=3', 'HealthStartPeriod=0s', 'HealthOnFailure=kill', 'Notify=healthy'],
        ...['ReadOnly=true', 'User=node', 'Group=staff', 'UserNS=auto', 'MemoryMax=512M', 'CPUQuota=150%', 'Restart=on-failure'],
        ...['TimeoutStartSec=30s', 'Label=a=b', 'Label=c=d'],
      ]),
    )
    expect(linesOf({ user: '1000' })).not.toContain('Group=undefined')
    expect(linesOf({ image: 'docker.io/library/nginx:1', autoUpdate: true })).toContain('AutoUpdate=registry')
  })

  it.each<[Partial<ContainerOptions>, string]>([
    [{ image: 'nginx' }, 'image'],
    [{ image: 'library/nginx:1' }, 'image'],
    [{ image: 'docker.io/library/nginx' }, 'image'],
    [{ image: `docker.io/library/nginx:1@sha256:${'a'.repeat(64)}` }, 'image'],
    [{ image: 'docker.io/library/nginx:1 --privileged' }, 'image'],
    [{ name: '../x' }, 'name'],
    [{ autoUpdate: true }, 'autoUpdate'],
    [{ network: 'host', ports: [{ port: 80 }] }, 'ports'],
    [{ network: 'none', ports: [{ port: 80 }] }, 'ports'],
    [{ ports: [{ port: 0 }] }, 'ports.0.port'],
    [{ volumes: [{ source: '../a', target: '/b' }] }, 'volumes.0.source'],
    [{ environment: { A: 'b\nc' } }, 'environment.A'],
    [{ environment: { A: new Secret('b\nc') } }, 'environment.A'],
    [{ environment: { 'A=B': 'c' } }, 'environment.A=B'],
    [{ command: ['a\nb'] }, 'command.0'],
    [{ health: { command: 'a\nb' } }, 'health.command'],
    [{ memory: 'much' }, 'memory'],
    [{ settings: { 'A]': 'b' } }, 'settings.A]'],
  ])('refuses %j', (options, path) => {
    const { schema } = container.composite
    const result = schema.safeParse({ name: 'shop', image: DIGEST, ...options })
    expect(result.error?.issues[0]?.path.join('.')).toBe(path)
  })
})
