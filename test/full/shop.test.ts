import { createHash, randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { down, installed, up } from '../e2e/support/lab.ts'
import { type Load, phaseLine, startLoad } from '../e2e/support/load/load.ts'
import { changes, referenceProject } from '../e2e/support/project.ts'
import { type GitServer, gitServer } from '../e2e/support/services/git-server.ts'

// examples/shop: an application from git with a database and secrets on two web servers, behind a load balancer.
const SUBNET = '10.79.72'
const EXAMPLE = join(import.meta.dirname, '../../examples/shop')
const project = referenceProject('t-shop', SUBNET)
const HOSTS = ['lb-01', 'web-01', 'web-02']
const spec = installed({
  ...{ name: project.lab, root: project.root },
  hosts: HOSTS.map((name, i) => ({ name, user: 'ops', addresses: [`${SUBNET}.${11 + i}`] })),
})
let repository: GitServer
let load: Load | undefined

const deploy = (commit: string, more: readonly (readonly [string | RegExp, string])[] = []): void => {
  const files = `.provision/lab/${project.lab}`
  const login = `  user: ops\n  key: ${files}/id_ed25519\n  known_hosts: ${files}/known_hosts\n`
  const replaced = [
    ['  user: ops\n', `${login}  firewall: { administrators: [${SUBNET}.1] }\n`],
    ...[11, 12, 13].map((host) => [`192.0.2.${host}`, `${SUBNET}.${host}`] as const),
    ['acme: {', `acme: { directory: 'https://${SUBNET}.1:14000/dir', ca_file: ${files}/authority.pem,`],
    ['https://git.example.org/acme/shop.git', repository.url(`${SUBNET}.1`)],
    [/ref: [0-9a-f]{40}/, `ref: ${commit}`],
    ...more,
  ] as const
  const text = replaced.reduce(
    (before, [from, to]) => {
      const after = before.replace(from, to)
      if (after === before) throw new Error(`${String(from)} is not in the inventory`)
      return after
    },
    readFileSync(join(EXAMPLE, 'inventory/hosts.yaml'), 'utf8'),
  )
  project.write('inventory/hosts.yaml', text)
}
const edit = (file: string, from: string, to: string): void => {
  const path = join(repository.directory, file)
  const before = readFileSync(path, 'utf8')
  if (!before.includes(from)) throw new Error(`${from} is not in ${file}`)
  writeFileSync(path, before.replace(from, to))
}
const on = (host: string, script: string): string => {
  const { status, stdout, stderr } = project.provision('exec', host, '--sudo', '--', 'sh', '-c', script)
  if (status !== 0) throw new Error(`exit ${status} on ${host}: ${stdout}${stderr}`)
  return stdout
}

beforeAll(async () => {
  repository = await gitServer(join(EXAMPLE, 'app'))
  rmSync(join(project.root, 'inventory'), { recursive: true })
  for (const part of ['inventory', 'playbooks', 'pages']) cpSync(join(EXAMPLE, part), join(project.root, part), { recursive: true })
  deploy(repository.commit())
  await up(spec)
  expect(project.provision('secrets', 'encrypt').status).toBe(0)
  const [mine] = readFileSync(join(project.root, 'identities/recipients.txt'), 'utf8').match(/age1\w+/) ?? []
  const databases = join(project.root, 'inventory/databases.yaml')
  writeFileSync(databases, readFileSync(databases, 'utf8').replace(/age1\w+/, String(mine)))
}, 900_000)
afterAll(async () => {
  load?.kill()
  await down(spec)
  repository.close()
  project.remove()
})

interface Visit {
  readonly name?: string
  readonly method?: string
  readonly body?: Buffer | string
  readonly auth?: string
}
interface Got {
  readonly status: number
  readonly location: string | undefined
  readonly body: string
}
const roots = (): string => readFileSync(join(project.root, `.provision/lab/${project.lab}/roots.pem`), 'utf8')
const visit = (path: string, { name = 'shop.example.org', method = 'GET', body = '', auth }: Visit = {}): Promise<Got> =>
  new Promise((resolve, reject) => {
    const options = { host: `${SUBNET}.11`, path, servername: name, headers: { host: name }, ca: roots(), method, agent: false as const }
    request({ ...options, ...(auth !== undefined && { auth }) }, (response) => {
      let text = ''
      response
        .on('data', (bytes: Buffer) => (text += bytes.toString()))
        .on('end', () => resolve({ status: response.statusCode ?? 0, location: response.headers.location, body: text }))
    })
      .on('error', reject)
      .end(body)
  })
const digest = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex')

describe('a shop from bare hosts', { timeout: 1_800_000 }, () => {
  it('becomes a site as predicted, and then plans nothing', async () => {
    const planned = changes(project.json('run', '--dry-run').lines, 'planned')
    expect(planned).toEqual(
      expect.arrayContaining(['web-01 create build:/srv/provision/shop', 'web-02 create git:/srv/provision/shop/checkout']),
    )
    const { status, lines, stderr } = project.json('run')
    expect({ status, stderr, applied: changes(lines, 'applied') }).toEqual({ status: 0, stderr: '', applied: planned })
    expect(changes(project.json('run').lines, 'planned')).toEqual([])
  })

  it('serves offers, orders, redirections and the second site', async () => {
    expect((await visit('/offers')).body).toBe('apples\npears\nplums\n')
    expect((await visit('/orders', { method: 'POST', body: 'apples' })).body).toBe('thank you\n')
    expect((await visit('/orders')).body).toBe('apples\n')
    expect(await visit('/offers.html?from=ad')).toMatchObject({ status: 301, location: '/offers?from=ad' })
    expect(await visit('/blog/one')).toMatchObject({ status: 301, location: 'https://www.example.org/one' })
    expect((await visit('/', { name: 'www.example.org' })).body).toContain('Welcome.')
    expect(await visit('/x?y', { name: 'example.org' })).toMatchObject({ status: 301, location: 'https://www.example.org/x?y' })
  })

  it('admits administrators by their passwords, and takes pictures of up to 50 MB', async () => {
    const password = 'replace this password too'
    expect((await visit('/admin')).status).toBe(401)
    expect((await visit('/admin', { auth: 'ann:wrong' })).status).toBe(401)
    expect((await visit('/admin', { auth: `ann:${password}` })).body).toBe('administrators only\n')
    const picture = randomBytes(50 * 2 ** 20)
    expect((await visit('/picture', { method: 'PUT', body: picture })).body).toBe(`${digest(picture)}\n`)
    expect((await visit('/picture', { method: 'PUT', body: Buffer.alloc(50 * 2 ** 20 + 1) }).catch(() => ({ status: 413 }))).status).toBe(
      413,
    )
  })

  it('serves WebSockets', async () => {
    const socket = connect({ host: `${SUBNET}.11`, port: 443, servername: 'shop.example.org', ca: roots() })
    socket.write(
      'GET /news HTTP/1.1\r\nHost: shop.example.org\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
    const next = (): Promise<string> => new Promise((resolve) => socket.once('data', (bytes) => resolve(bytes.toString('latin1'))))
    expect(await next()).toMatch(/^HTTP\/1\.1 101 [\s\S]*s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/i)
    socket.write('a frame')
    expect(await next()).toBe('a frame')
    socket.destroy()
  })

  it('builds without rights and without network, and shows no secret', () => {
    expect(
      on('web-01', 'cat /srv/provision/shop/current/app/offers.json; stat -c %U /srv/provision/shop/current/app/offers.json'),
    ).toContain('root')
    expect(on('web-01', 'systemctl show -P DynamicUser provision-app-shop.service')).toContain('yes')
    expect(
      on('web-01', 'grep -rl "replace this" /etc /srv 2>/dev/null | grep -v "^/etc/provision/provision-app-shop.env$"; true'),
    ).not.toContain('/')
    expect(project.provision('verify').status).toBe(0)
  })
})

describe('another version', { timeout: 1_800_000 }, () => {
  const TITLES = ['Our shop\n', 'Our new shop\n']
  const meanwhile = async (act: () => unknown) => {
    load = await startLoad(
      {
        ...{ address: `${SUBNET}.11`, ca: roots(), factor: 0.3 },
        pages: { name: 'shop.example.org', paths: { '/': TITLES.map(digest) } },
      },
      'during the change',
    )
    act()
    const { phase } = await load.stop()
    load = undefined
    process.stdout.write(`${phaseLine(phase)}\n`)
    expect(Object.values(phase.sent).reduce((sum, one) => sum + one, 0)).toBeGreaterThan(50)
    return phase.failures
  }

  it('is deployed under load without a failed request, by one restart on each host', async () => {
    edit('server.js', 'Our shop', 'Our new shop')
    edit('build.js', "'plums'", "'plums', 'figs'")
    deploy(repository.commit())
    const failures = await meanwhile(() => {
      const { status, lines } = project.json('run')
      expect([status, ...changes(lines, 'applied')]).toEqual([
        0,
        ...['web-01', 'web-02'].flatMap((host) => [
          `${host} update build:/srv/provision/shop`,
          `${host} update git:/srv/provision/shop/checkout`,
          `${host} update service:provision-app-shop.service`,
        ]),
      ])
    })
    expect(failures).toEqual([])
    expect((await visit('/offers')).body).toContain('figs')
    expect(changes(project.json('run').lines, 'planned')).toEqual([])
  })

  it('is rolled back under load without a failed request', async () => {
    const failures = await meanwhile(() => expect(project.provision('run', 'playbooks/rollback.yaml').status).toBe(0))
    expect(failures).toEqual([])
    expect((await visit('/')).body).toBe('Our shop\n')
    const { status } = project.json('run')
    expect(status).toBe(0)
    expect((await visit('/')).body).toBe('Our new shop\n')
  })

  it('that does not become healthy is rolled back on the first host, and the second host is not changed', async () => {
    edit('server.js', "return 'alive\\n'", "throw new Error('not today')")
    deploy(repository.commit())
    const failures = await meanwhile(() => {
      const { status, stderr, stdout } = project.provision('run')
      expect(status).toBe(1)
      expect(stderr + stdout).toContain('answers GET /alive with HTTP/1.1 500')
    })
    expect(failures).toEqual([])
    expect((await visit('/')).body).toBe('Our new shop\n')
    const live = ['web-01', 'web-02'].map((host) => on(host, 'readlink /srv/provision/shop/current').trim().split('-').at(-1))
    expect(live[0]).toBe(live[1])
    edit('server.js', "throw new Error('not today')", "return 'alive\\n'")
    deploy(repository.commit())
    expect(project.provision('run').status).toBe(0)
  })

  it('whose build fails is refused, and the output of the build is shown', async () => {
    edit('build.js', 'const OFFERS', "console.error('no plums today'); process.exit(3)\nconst OFFERS")
    deploy(repository.commit())
    const { status, stdout, stderr } = project.provision('run')
    expect(status).toBe(1)
    expect(stdout + stderr).toContain('no plums today')
    expect((await visit('/offers')).body).toContain('figs')
    edit('build.js', "console.error('no plums today'); process.exit(3)\n", '')
    deploy(repository.commit())
    expect(project.provision('run').status).toBe(0)
  })
})

it('orders are backed up, lost and restored', { timeout: 1_800_000 }, async () => {
  on('web-02', 'systemctl start provision-database-backup.service')
  const [name = ''] =
    on('lb-01', 'ls /var/lib/provision-database-store')
      .match(/database-\S+\.age/g)
      ?.slice(-1) ?? []
  expect(name).not.toBe('')
  mkdirSync(join(project.root, 'backups'), { recursive: true })
  const sealed = Buffer.from(
    on('lb-01', `base64 -w 0 /var/lib/provision-database-store/${name}`).match(/[A-Za-z0-9+/=]{100,}/)?.[0] ?? '',
    'base64',
  )
  writeFileSync(join(project.root, 'backups/latest.age'), sealed)
  const { Decrypter } = await import('age-encryption')
  const decrypter = new Decrypter()
  decrypter.addIdentity(readFileSync(join(project.root, 'age.txt'), 'utf8').match(/AGE-SECRET-KEY-\w+/)?.[0] ?? '')
  writeFileSync(join(project.root, 'backups/latest.sql.gz'), await decrypter.decrypt(sealed))
  on('web-01', "mariadb -e 'DROP TABLE shop.orders'")
  expect(project.provision('run', 'playbooks/restore.yaml').status).toBe(0)
  expect((await visit('/orders')).body).toBe('apples\n')
})
