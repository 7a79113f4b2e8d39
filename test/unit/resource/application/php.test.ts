import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { application } from '../../../../src/resource/application/application.ts'
import { applicationFaults } from '../../../../src/resource/application/faults.ts'
import { applicationShape } from '../../../../src/resource/application/options.ts'
import { phpAnswering } from '../../../../src/resource/application/php/health.ts'
import { readyPhp } from '../../../../src/resource/application/php/ready.ts'
import type { BuildSpec } from '../../../../src/resource/build/spec.ts'
import { type Content, type LocalFile, sha256Hex, shownText } from '../../../../src/resource/kind/content.ts'
import { keyOf, type Resource } from '../../../../src/resource/kind/kind.ts'

const options = z.strictObject(applicationShape)
const app = (given: object) => options.parse({ runtime: 'php', source: 'app', ...given })
const local = (text: string): LocalFile => {
  const bytes = Buffer.from(text)
  return { type: 'local', path: '/p', sha256: sha256Hex(bytes), size: bytes.length, open: () => bytes }
}
type Host = { distribution?: 'debian' | 'ubuntu'; release?: string }
const ready = (given: object, paths: readonly string[], { distribution = 'debian', release = '12' }: Host = {}) =>
  readyPhp(
    { name: 'shop', app: app(given), bodyMax: '8m' },
    { name: 'web-01', distribution, release, files: () => paths.map((path) => ({ path, content: local(path) })) },
  )
const PATHS = ['public/index.php']
const declared = (given: object = {}, paths: readonly string[] = PATHS, health?: string) =>
  application({
    ...{ name: 'shop', app: app(given), keep: 3, which: 'latest', health, php: ready(given, paths) },
    files: () => paths.map((path) => ({ path, content: local(path) })),
  })
const specOf = <T>(resources: readonly Resource[], key: string): T => {
  const found = resources.find((resource) => keyOf(resource) === key)
  if (found === undefined) throw new Error(`${key} is not declared`)
  return found.spec as T
}
const fileText = (resources: readonly Resource[], path: string) =>
  (shownText(specOf<{ content: Content }>(resources, `file:${path}`).content) ?? '').split('\n')
const INI = '/etc/provision/provision-app-shop.ini'

describe('an application for PHP', () => {
  it('has a socket of systemd, which its service starts', () => {
    const resources = declared({ php: { extensions: ['mysql'] } })
    expect(resources.map(keyOf)).toEqual([
      ...['package:php8.2-fpm', 'package:php8.2-cli', 'package:php8.2-mysql'],
      ...['user:provision-build', 'directory:/srv/provision', 'directory:/srv/provision/shop'],
      ...['archive:/srv/provision/shop/source', 'build:/srv/provision/shop'],
      ...[`file:${INI}`, 'file:/etc/provision/provision-app-shop.fpm.conf'],
      ...['unit:provision-app-shop.socket', 'unit:provision-app-shop.service'],
      // systemd starts no socket while a program of another runtime still runs as its service.
      ...['service:provision-app-shop.service', 'service:provision-app-shop.socket'],
    ])
    const service = specOf<{ facts: readonly { key: string }[]; restarts: readonly { key: string }[] }>(
      resources,
      'service:provision-app-shop.service',
    )
    expect(service.facts.map(({ key }) => key)).toEqual(expect.arrayContaining(['build:/srv/provision/shop', 'package:php8.2-mysql']))
    // A restart of the socket ends the service, so only a change of the socket restarts it.
    expect(service.restarts.map(({ key }) => key)).not.toContain('unit:provision-app-shop.socket')
  })

  it('installs packages of composer.json, if there is one', () => {
    const resources = declared({}, [...PATHS, 'composer.json'])
    expect(resources.map(keyOf)).toEqual(expect.arrayContaining(['package:composer', 'package:unzip']))
    expect(specOf<BuildSpec>(resources, 'build:/srv/provision/shop')).toMatchObject({
      ...{ network: true, command: expect.stringContaining('composer install --no-dev') },
    })
    expect(specOf<BuildSpec>(declared(), 'build:/srv/provision/shop').command).toBe(undefined)
    expect(declared({ build: 'make' }, [...PATHS, 'composer.json']).map(keyOf)).not.toContain('package:composer')
  })

  it('has the settings of its options, and limits that agree with nginx', () => {
    const settings = { memory_limit: '256M', error_reporting: 'E_ALL & ~E_NOTICE', 'date.timezone': 'Europe/Berlin', short_open_tag: true }
    const lines = fileText(declared({ php: { settings, workers: 7 } }), INI)
    expect(lines).toEqual(
      expect.arrayContaining([
        ...['memory_limit = "256M"', 'error_reporting = E_ALL & ~E_NOTICE', 'date.timezone = "Europe/Berlin"', 'short_open_tag = 1'],
        ...['post_max_size = "8M"', 'upload_max_filesize = "8M"', 'cgi.fix_pathinfo = 0'],
      ]),
    )
    expect(lines.filter((line) => line.startsWith('error_reporting'))).toHaveLength(1)
    expect(fileText(declared({ php: { workers: 7 } }), '/etc/provision/provision-app-shop.fpm.conf')).toContain('pm.max_children = 7')
  })

  it.each<[Host, string]>([
    [{}, '8.2'],
    [{ release: '13' }, '8.4'],
    [{ distribution: 'ubuntu', release: '22.04' }, '8.1'],
    [{ distribution: 'ubuntu', release: '24.04' }, '8.3'],
    [{ distribution: 'ubuntu', release: '26.04' }, '8.5'],
  ])('on %o runs PHP %s', (host, version) => {
    expect(ready({}, PATHS, host)?.version).toBe(version)
    expect(ready({ php: { version: '8.6' } }, PATHS, host)?.version).toBe('8.6')
  })

  it('asks for the version on another release', () => {
    expect(() => ready({}, PATHS, { release: '' })).toThrow('the version of PHP for debian unstable is not known')
    expect(ready({ php: { version: '8.6' } }, PATHS, { release: '' })?.version).toBe('8.6')
  })

  it('has the document root of its options or its source', () => {
    const code = '/srv/provision/shop/current/app'
    expect(ready({}, PATHS)).toMatchObject({ root: `${code}/public`, isTop: false })
    expect(ready({}, ['index.php', 'composer.json'])).toMatchObject({ root: code, isTop: true })
    expect(ready({ php: { root: 'web' } }, [])).toMatchObject({ root: `${code}/web`, isTop: false })
    expect(ready({ php: { root: '.' } }, PATHS)).toMatchObject({ root: code, isTop: true })
    expect(() => ready({}, ['public/style.css'])).toThrow('no such file in app')
  })
})

describe('the faults of an application for PHP', () => {
  const git = { git: 'https://git.example.test/shop.git', ref: 'main' }
  it.each<[object, readonly (readonly [PropertyKey | undefined, string])[]]>([
    [{}, []],
    [{ source: git, php: { root: '.' } }, []],
    [{ source: git }, [['php', 'the application has no document root, and its source is a repository']]],
    [{ port: 1 }, [['port', 'port has no effect with runtime: php']]],
    [{ command: '/bin/app' }, [['command', 'command has no effect with runtime: php']]],
    [{ source: undefined }, [['runtime', 'runtime has no effect without source']]],
    [{ runtime: 'node', port: 1, php: {} }, [['php', 'php has no effect without runtime: php']]],
  ])('%o', (given, expected) => {
    expect(applicationFaults(app(given)).map(({ path, what }) => [path[0], what])).toEqual(expected)
  })

  it.each<[object, string]>([
    [{ settings: { upload_max_filesize: '1G' } }, 'set `body_max` of the site'],
    [{ settings: { 'cgi.fix_pathinfo': 1 } }, 'only files of the release are executed'],
    [{ settings: { EXTENSION: 'x.so' } }, 'set `extensions`'],
    [{ settings: { 'memory limit': 1 } }, 'must be the name of a setting'],
    [{ settings: { memory_limit: '1"\n' } }, 'must be one line'],
    [{ root: '../..' }, 'must be a directory of the source'],
    [{ root: '/etc' }, 'must be a directory of the source'],
    [{ root: 'a/.git' }, 'must be a directory of the source'],
    [{ extensions: ['php8.4-mysql=1'] }, 'must be the end of a package name'],
    [{ version: '8' }, 'must be a version'],
    [{ workers: 0 }, '>=1'],
  ])('refuses php: %o', (php, message) => {
    const { error } = options.safeParse({ runtime: 'php', source: 'app', php })
    expect(JSON.stringify(error?.issues)).toContain(message)
  })
})

describe('the health of an application for PHP', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'provision-php-'))
  afterAll(() => rmSync(scratch, { recursive: true }))
  mkdirSync(join(scratch, 'root'))
  writeFileSync(join(scratch, 'root/health.php'), '')

  /** A FastCGI server that answers with this output, and the parameters of the first request. */
  const asked = async (output: string, path?: string) => {
    const socket = join(scratch, 'socket')
    let given = Buffer.alloc(0)
    const answer = (client: Socket): void => {
      client.on('data', (bytes) => (given = Buffer.concat([given, bytes])))
      const bytes = Buffer.from(output)
      const head = (type: number, length: number) => Buffer.from([1, type, 0, 1, length >> 8, length & 255, 0, 0])
      client.once('data', () => client.end(Buffer.concat([head(6, bytes.length), bytes, head(3, 8), Buffer.alloc(8)])))
    }
    const server = createServer(answer).listen(socket)
    await once(server, 'listening')
    const script = phpAnswering({ socket, root: join(scratch, 'root'), path, host: 'shop.test', seconds: 1 })
    const ended = await run(String(script))
    server.close()
    return { ...ended, given: given.toString('latin1') }
  }
  const run = async (script: string) => {
    const child = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] })
    let stdout = ''
    child.stdout.on('data', (bytes) => (stdout += String(bytes)))
    const [status] = (await once(child, 'close')) as [number]
    return { status, stdout: stdout.trim() }
  }

  it('is the status of its path', async () => {
    const { status, given } = await asked('Content-Type: text/html\r\n\r\nalive', '/alive?deep=1')
    expect(status).toBe(0)
    expect(given).toContain(`SCRIPT_FILENAME${scratch}/root/index.php`)
    expect(given).toContain('QUERY_STRINGdeep=1')
    expect(given).toContain('HTTP_HOSTshop.test')
    expect((await asked('X: y\r\n\r\n', '/health.php')).given).toContain(`SCRIPT_FILENAME${scratch}/root/health.php`)
    expect(await asked('X: y\r\nStatus: 503 Service Unavailable\r\n\r\nStatus: 200', '/alive')).toMatchObject({
      ...{ status: 1, stdout: 'PHP answers GET /alive with 503' },
    })
    expect(await asked('X: y\r\n\r\nStatus: 503', '/alive')).toMatchObject({ status: 0 })
  })

  it('is an answer of PHP itself without one', async () => {
    expect((await asked('X: y\r\n\r\npong')).given).toContain('SCRIPT_NAME/.provision-ping')
    const script = phpAnswering({ socket: join(scratch, 'none'), root: '', seconds: 1 })
    expect(await run(String(script))).toEqual({ status: 1, stdout: 'PHP answers GET /.provision-ping with nothing' })
  })
})
