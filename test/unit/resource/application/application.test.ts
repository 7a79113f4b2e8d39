import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { application } from '../../../../src/resource/application/application.ts'
import { applicationFaults } from '../../../../src/resource/application/faults.ts'
import { type ApplicationOptions, applicationShape } from '../../../../src/resource/application/options.ts'
import { packed } from '../../../../src/resource/application/source.ts'
import type { BuildSpec } from '../../../../src/resource/build/spec.ts'
import { type Content, type LocalFile, sha256Hex, shownText } from '../../../../src/resource/kind/content.ts'
import { keyOf, type Resource } from '../../../../src/resource/kind/kind.ts'

const options = z.strictObject(applicationShape)
const app = (given: object): ApplicationOptions => options.parse(given)
const local = (text: string, isExecutable = false): LocalFile => {
  const bytes = Buffer.from(text)
  return { type: 'local', path: '/p', sha256: sha256Hex(bytes), size: bytes.length, isExecutable, open: () => bytes }
}

const declared = (
  given: object,
  { files = {}, ...more }: { files?: Readonly<Record<string, string>>; which?: 'previous'; health?: string } = {},
) =>
  application({
    ...{ name: 'shop', app: app(given), keep: 3, which: 'latest', ...more },
    files: () => Object.entries(files).map(([path, text]) => ({ path, content: local(text) })),
  })
const specOf = <T>(resources: readonly Resource[], key: string): T => {
  const found = resources.find((resource) => keyOf(resource) === key)
  if (found === undefined) throw new Error(`${key} is not declared`)
  return found.spec as T
}
const linesOf = (resources: readonly Resource[]): readonly string[] =>
  (shownText(specOf<{ file: { content: Content } }>(resources, 'unit:provision-app-shop.service').file.content) ?? '').split('\n')
const BUILD = 'build:/srv/provision/shop'

describe('an application with a source', () => {
  it('is unpacked, built, run and restarted, in this order', () => {
    const resources = declared({ source: 'app', build: 'make', command: './bin/shop --fast', port: 3000, environment: { A: 'b' } })
    expect(resources.map(keyOf)).toEqual([
      ...['user:provision-build', 'directory:/srv/provision', 'directory:/srv/provision/shop'],
      ...['archive:/srv/provision/shop/source', BUILD],
      ...['file:/etc/provision/provision-app-shop.env', 'unit:provision-app-shop.service', 'service:provision-app-shop.service'],
    ])
    expect(specOf<BuildSpec>(resources, BUILD)).toMatchObject({
      ...{ command: 'make', network: false, user: 'provision-build', keep: 3, which: 'latest', set: 'app-shop' },
      ...{ unit: 'provision-app-shop.service', source: { key: 'archive:/srv/provision/shop/source' } },
    })
    expect(linesOf(resources)).toEqual(
      expect.arrayContaining([
        ...['ExecStart=/srv/provision/shop/current/app/bin/shop --fast', 'WorkingDirectory=/srv/provision/shop/current/app'],
      ]),
    )
    // The service restarts for another release, and restores the former one together with its environment.
    expect(specOf(resources, 'service:provision-app-shop.service')).toMatchObject({
      ...{ set: 'app-shop', facts: [{ key: BUILD, is: 'link', of: '/srv/provision/shop/current', restarts: true }] },
    })
    expect(specOf(resources, 'file:/etc/provision/provision-app-shop.env')).toMatchObject({ set: { name: 'app-shop' } })
  })

  it('from git is checked out by the account of builds', () => {
    const ref = 'a'.repeat(40)
    const source = { git: 'https://git.example.test/shop.git', ref, token: 'secret token' }
    const resources = declared({ source, command: '/usr/bin/env', port: 3000 })
    expect(resources.map(keyOf)).toEqual(
      expect.arrayContaining(['package:git', 'directory:/srv/provision/shop/checkout', 'git:/srv/provision/shop/checkout']),
    )
    expect(specOf(resources, 'git:/srv/provision/shop/checkout')).toMatchObject({ user: 'provision-build', ref, discard: true })
    expect(specOf<BuildSpec>(resources, BUILD).source.key).toBe('git:/srv/provision/shop/checkout')
  })

  it('needs no source for a rollback', () => {
    const resources = declared({ source: 'app', command: '/bin/app', port: 1 }, { which: 'previous' })
    expect(resources.map(keyOf)).not.toContain('archive:/srv/provision/shop/source')
    expect(specOf(resources, BUILD)).toMatchObject({ which: 'previous' })
  })

  it('is packed with executable files, and identically in every checkout', () => {
    const files = [
      { path: 'bin/run', content: local('#!/bin/sh\n', true) },
      { path: 'a', content: local('a') },
    ]
    const one = packed('shop', files)
    expect(packed('shop', [...files]).sha256).toBe(one.sha256)
    expect(sha256Hex(one.open())).toBe(one.sha256)
    expect(
      packed(
        'shop',
        files.map(({ path, content }) => ({ path, content: { ...content, isExecutable: false } })),
      ).sha256,
    ).not.toBe(one.sha256)
  })
})

describe('an application without a source', () => {
  it('runs the program that is already installed', () => {
    expect(declared({ command: '/bin/app', port: 3000 }).map(keyOf)).toEqual([
      ...['unit:provision-app-shop.service', 'service:provision-app-shop.service'],
    ])
  })
})

describe('a runtime', () => {
  const packages = (resources: readonly Resource[]) => resources.flatMap(({ kind, id }) => (kind.name === 'package' ? [id] : []))

  it('node installs packages of package-lock.json, if there is one', () => {
    const plain = declared({ runtime: 'node', source: 'app', port: 3000 }, { files: { 'package.json': '{}' } })
    expect(packages(plain)).toEqual(['nodejs'])
    expect(specOf<BuildSpec>(plain, BUILD).command).toBe(undefined)
    expect(linesOf(plain)).toEqual(expect.arrayContaining(['ExecStart=/usr/bin/node .', 'Environment=NODE_ENV=production']))
    const files = { 'package-lock.json': '{}' }
    const locked = declared({ runtime: 'node', source: 'app', port: 3000 }, { files })
    expect(packages(locked)).toEqual(['nodejs', 'npm'])
    // A rollback keeps the packages, which `--prune` would otherwise remove.
    expect(packages(declared({ runtime: 'node', source: 'app', port: 3000 }, { files, which: 'previous' }))).toEqual(['nodejs', 'npm'])
    expect(specOf(locked, BUILD)).toMatchObject({ network: true, command: expect.stringContaining('npm ci') })
  })

  it('python makes a virtual environment in the release', () => {
    const given = { runtime: 'python', source: 'app', command: '.venv/bin/gunicorn shop:app', port: 3000 }
    const resources = declared(given, { files: { 'requirements.txt': '' } })
    expect(packages(resources)).toEqual(['python3', 'python3-venv'])
    expect(specOf(resources, BUILD)).toMatchObject({ network: true, command: expect.stringContaining('python3 -m venv .venv') })
    expect(linesOf(resources)).toContain('ExecStart=/srv/provision/shop/current/app/.venv/bin/gunicorn shop:app')
    expect(specOf<BuildSpec>(declared(given), BUILD).network).toBe(false)
  })

  it('is overridden by the options of the application', () => {
    const given = { runtime: 'node', source: 'app', build: 'npm test', command: '/usr/bin/node x.js', port: 1, packages: ['libvips'] }
    const resources = declared(given, { files: { 'package-lock.json': '{}' } })
    expect(packages(resources)).toEqual(['nodejs', 'npm', 'libvips'])
    expect(specOf(resources, BUILD)).toMatchObject({ command: 'npm test', network: false })
    expect(linesOf(resources)).toContain('ExecStart=/usr/bin/node x.js')
    const own = declared({ ...given, build: 'make' }, { files: { 'package-lock.json': '{}' } })
    expect(packages(own)).toEqual(['nodejs', 'libvips'])
  })
})

describe('the faults of an application', () => {
  it.each<[object, readonly (readonly [PropertyKey | undefined, string])[]]>([
    [{ command: '/bin/app', port: 1 }, []],
    [{ source: 'app', runtime: 'node', port: 1 }, []],
    [{ port: 1 }, [[undefined, 'the application has no command']]],
    [{ command: '/bin/app' }, [[undefined, 'the application has no port']]],
    [{ command: '/bin/app', port: 1, build: 'make' }, [['build', 'build has no effect without source']]],
    [{ command: '/bin/app', port: 1, runtime: 'node' }, [['runtime', 'runtime has no effect without source']]],
    [{ command: './app', port: 1 }, [['command', './app is a path in the source, and the application has none']]],
  ])('%o', (given, expected) => {
    expect(applicationFaults(app(given)).map(({ path, what }) => [path[0], what])).toEqual(expected)
  })

  it.each([
    [{ git: 'https://git.example.test/x', ref: 'main', token: 'secret token' }, 'ref'],
    [{ git: 'git@git.example.test:x', ref: 'main' }, 'known_hosts'],
    [{ git: 'ftp://git.example.test/x', ref: 'main' }, 'git'],
  ])('refuses %o at %s', (source, key) => {
    const { error } = options.safeParse({ source, command: '/bin/app', port: 1 })
    expect(JSON.stringify(error?.issues)).toContain(`"${key}"`)
  })
})

describe('the health of an application', () => {
  const asked = async (status: number, path: string | undefined) => {
    const seen: string[] = []
    const server = createServer((request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers.host}`)
      response.writeHead(status).end()
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const resources = declared({ command: '/bin/app', port, start_seconds: 1 }, path === undefined ? {} : { health: path })
    const { took } = specOf<{ took: unknown }>(resources, 'service:provision-app-shop.service')
    const child = spawn('sh', ['-c', `unit=shop.service; ${String(took)}`], { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (bytes) => (output += String(bytes)))
    const [code] = (await once(child, 'close')) as [number]
    server.close()
    return { code, output: output.trim(), first: seen[0] }
  }

  it('is the answer of its health path', async () => {
    expect(await asked(204, '/alive?deep=1')).toEqual({ code: 0, output: '', first: 'GET /alive?deep=1 localhost' })
    expect(await asked(503, '/alive')).toMatchObject({
      code: 1,
      output: expect.stringMatching(/^shop\.service answers GET \/alive with HTTP\/1\.. 503/),
    })
  }, 60_000)

  it('is an open port without one', async () => {
    expect(await asked(503, undefined)).toMatchObject({ code: 0 })
  }, 60_000)
})
