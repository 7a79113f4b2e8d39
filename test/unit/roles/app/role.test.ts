import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { checkOf } from '../../../../roles/app/checks.ts'
import app from '../../../../roles/app/role.ts'
import { keyOf } from '../../../../src/resource/kind/kind.ts'
import type { Facts } from '../../../../src/role/role.ts'
import { host, unknownIdentities } from '../context.ts'

const [HOST, OTHER] = [host('web-01', '10.0.0.12'), host('lb-01', '10.0.0.11')]
const contextOf = (applications: readonly object[], more: object = {}) => ({
  ...unknownIdentities,
  ...{ host: HOST, options: app.options.parse({ applications, ...more }), flows: [], exposed: [], facts: {} as Facts },
  site: { hosts: [HOST, OTHER], group: (name: string) => (name === 'balancers' ? [OTHER] : []), withRole: () => [] },
  files: () => [],
})
const SEARCH = { name: 'search', command: '/bin/search', port: 4000 }

describe('the role app', () => {
  it('runs each application as a unit, from its releases', () => {
    const given = [SEARCH, { name: 'convert', source: 'app', command: './convert', port: 4001 }]
    const keys = app.resources(contextOf(given, { keep: 7, release: 'previous' })).map((one) => keyOf(one))
    expect(keys).toEqual(
      expect.arrayContaining([
        'service:provision-app-search.service',
        'build:/srv/provision/convert',
        'service:provision-app-convert.service',
      ]),
    )
    const build = app
      .resources(contextOf(given, { keep: 7, release: 'previous' }))
      .find((one) => keyOf(one) === 'build:/srv/provision/convert')
    expect(build?.spec).toMatchObject({ keep: 7, which: 'previous' })
  })

  it('opens a port only to the groups in its options', () => {
    const listens = (more: object) => app.listens?.(contextOf([{ ...SEARCH, ...more }]))
    expect(listens({})).toEqual([])
    expect(listens({ from: ['balancers'] })).toEqual([{ service: 'search', port: 4000, protocol: 'tcp', from: [{ group: 'balancers' }] }])
  })

  it.each<[string, readonly object[], readonly unknown[]]>([
    ['accepts applications that differ', [SEARCH, { name: 'other', command: '/bin/other', port: 4001 }], []],
    ['refuses a name twice', [SEARCH, { ...SEARCH, port: 4001 }], [['applications', 1, 'name']]],
    ['refuses a port twice', [SEARCH, { ...SEARCH, name: 'other' }], [['applications', 1, 'port']]],
    ['refuses a group without hosts', [{ ...SEARCH, from: ['balancers', 'nobody'] }], [['applications', 0, 'from', 1]]],
    ['refuses an application without a command', [{ name: 'search', port: 1 }], [['applications', 0]]],
    ['refuses PHP', [{ name: 'search', runtime: 'php', source: 'app' }], [['applications', 0, 'runtime']]],
    ['refuses a build without a source', [{ ...SEARCH, build: 'make' }], [['applications', 0, 'build']]],
  ])('%s', (_, given, paths) => {
    expect(app.check?.(contextOf(given))?.map(({ path }) => path)).toEqual(paths)
  })

  it('is verified by its health, or by its port', async () => {
    const asked = async (status: number, health?: string) => {
      const server = createServer((_, response) => response.writeHead(status).end()).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      const run = async () => {
        const { script } = checkOf({ name: 'search', port, health }, 'web-01')
        const child = spawn('sh', ['-c', String(script)], { stdio: ['ignore', 'pipe', 'ignore'] })
        let output = ''
        child.stdout.on('data', (bytes) => (output += String(bytes)))
        const [code] = (await once(child, 'close')) as [number]
        return `${code} ${output.trim()}`
      }
      const up = await run()
      server.close()
      await once(server, 'close')
      return [up, (await run()).replace(String(port), 'PORT')]
    }
    expect(await asked(200, '/alive')).toEqual(['0 ', '1 GET /alive is answered with nothing'])
    expect((await asked(500, '/alive'))[0]).toMatch(/^1 GET \/alive is answered with HTTP\/1\.. 500/)
    expect(await asked(500)).toEqual(['0 ', '1 nothing listens on 127.0.0.1:PORT'])
  }, 60_000)
})
