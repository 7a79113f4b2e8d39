import { describe, expect, it } from 'vitest'
import nginx from '../../../../roles/nginx/role.ts'
import { Problem } from '../../../../src/problem.ts'
import { host, unknownIdentities } from '../context.ts'
import { declaredBy } from './server.ts'

const PAGES = { 'index.html': '', 'app.html': '', 'errors/404.html': '', 'docs/start.html': '' }

/** The faults of a site, and the value at which each error is reported. */
const faultOf = (site: object, options: object = {}): string | undefined => {
  try {
    declaredBy({ sites: [{ name: 'www', content: 'pages', ...site }], ...options }, { pages: PAGES })
    return undefined
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return `${'file' in error.where ? error.where.file : ''}: ${error.class}: ${error.what}`
  }
}

describe('a file that an option of a site names', () => {
  it.each<[string, object, string | undefined]>([
    ['is there', { fallback: '/app.html', errors: { 404: '/errors/404.html' } }, undefined],
    ['is the index of a directory', { fallback: '/' }, undefined],
    ['has arguments', { fallback: '/app.html?from=fallback' }, undefined],
    ['is another index', { index: 'start.html' }, undefined],
    ['is missing: fallback', { fallback: '/nope.html' }, '/nope.html: input: no such file in pages (fallback of site www)'],
    ['is a directory without an index', { fallback: '/docs/' }, '/docs/: input: no such file in pages (fallback of site www)'],
    ['is missing: error page', { errors: { 404: '/404.html' } }, '/404.html: input: no such file in pages (errors.404 of site www)'],
    ['is missing: index', { index: 'home.html' }, 'home.html: input: no such file in pages (index of site www)'],
    [
      'is missing, with another one',
      { fallback: '/a', errors: { 500: '/b' } },
      '/a: input: no such file in pages (fallback of site www; also missing: /b)',
    ],
    ['may be served by a location of raw', { errors: { 404: '/shared/404.html' }, raw: 'location /shared/ { root /srv; }' }, undefined],
  ])('%s', (_, site, expected) => {
    expect(faultOf(site)).toBe(expected)
  })

  it('is not searched in content that is not deployed', () => {
    expect(faultOf({ fallback: '/nope.html' }, { release: 'previous' })).toBeUndefined()
  })
})

describe('a site', () => {
  const pathsOf = (site: object) =>
    nginx
      .check?.({
        ...unknownIdentities,
        host: host('web-01', '10.0.0.12'),
        options: nginx.options.parse({ sites: [{ name: 'www', ...site }] }),
        site: { hosts: [], group: () => [host('lb-01', '10.0.0.11')], withRole: () => [] },
      })
      .map(({ path }) => path)

  it.each<[string, object, readonly (readonly PropertyKey[])[]]>([
    ['that redirects', { redirect: 'https://example.org' }, []],
    ['that redirects and has content', { redirect: 'https://example.org', content: 'x' }, [['sites', 0]]],
    ['of an application with a fallback', { proxy: 'http://127.0.0.1:1', fallback: '/a' }, [['sites', 0, 'fallback']]],
  ])('%s', (_, site, paths) => {
    expect(pathsOf(site)).toEqual(paths)
  })

  it.each([
    { redirect: 'example.org' },
    { redirect: 'https://example.org/path' },
    { redirect: 'https://example.org;' },
    { probe: { path: 'x' } },
    { probe: { status: 500 } },
    { probe: { paths: '/' } },
  ])('refuses %o', (site) => {
    expect(nginx.options.safeParse({ sites: [{ name: 'www', content: 'x', ...site }] }).success).toBe(false)
  })

  it.each<[object, boolean]>([
    [{ cache: { '*.css': 0 } }, true],
    [{ cache: { '*.css': -1 } }, false],
    [{ cache: { '*.css': 'forever', 'sw.js': 'never' } }, true],
    [{ cache: { '*.css': 'always' } }, false],
    [{ cache: { ' x': 1 } }, false],
    [{ cache: { 'x ': 1 } }, false],
    [{ hosts: ['*.test'] }, true],
    [{ hosts: ['localhost'] }, true],
    [{ hosts: ['.test'] }, false],
    [{ hosts: ['a.test.'] }, false],
    [{ hosts: [`${'a.'.repeat(124)}tests`] }, true],
    [{ hosts: [`${'a.'.repeat(124)}testss`] }, false],
    [{ body_max: '10M' }, false],
    [{ body_max: '10mb' }, false],
    [{ body_max: 'x10m' }, false],
    [{ body_max: '512' }, true],
    [{ health: 'alive' }, false],
    [{ health: 'x/alive' }, false],
    [{ headers: { 'X-A': 'a\n' } }, false],
    [{ headers: { 'X-A': '"a' } }, false],
    [{ headers: { 'X A': 'a' } }, false],
    [{ headers: { 'A X:': 'a' } }, false],
    [{ raw: 'return 410;\n' }, true],
    [{ raw: 'a\0' }, false],
    [{ raw: '\0a' }, false],
    [{ errors: { 404: '/a' } }, true],
    [{ errors: { 4040: '/a' } }, false],
    [{ errors: { 1404: '/a' } }, false],
    [{ index: '/index.html' }, false],
    [{ index: 'index.html/' }, false],
    [{ name: 'x', index: 'a' }, true],
    [{ name: '1x' }, false],
    [{ name: 'x_y' }, false],
  ])('with %o is valid: %s', (more, isValid) => {
    expect(nginx.options.safeParse({ sites: [{ name: 'www', content: 'x', ...more }] }).success).toBe(isValid)
  })

  it.each([
    [0, false],
    [1, true],
    [65_535, true],
    [65_536, false],
  ])('of an application may have port %i: %s', (port, isValid) => {
    expect(nginx.options.safeParse({ sites: [{ name: 'www', app: { command: '/bin/app', port } }] }).success).toBe(isValid)
  })

  it.each([
    { proxy: 'xhttp://127.0.0.1:1' },
    { proxy: 'http://127.0.0.1:1/' },
    { app: { command: '/bin/app\\', port: 1 } },
    { app: { command: 'app', port: 1 } },
    { app: { command: '/bin/app', port: 1, user: 'Shop' } },
    { app: { command: '/bin/app', port: 1, user: 'shop user' } },
    { app: { command: '/bin/app', port: 1, environment: { 'A B': 'x' } } },
    { app: { command: '/bin/app', port: 1, environment: { '1A': 'x' } } },
    { app: { command: '/bin/app', port: 1, writes: ['srv'] } },
  ])('refuses an application with %o', (more) => {
    expect(nginx.options.safeParse({ sites: [{ name: 'www', ...more }] }).success).toBe(false)
  })

  it('shares no port with another application, and no name with another site', () => {
    const paths = (...sites: readonly object[]) =>
      nginx
        .check?.({
          ...unknownIdentities,
          host: host('web-01', '10.0.0.12'),
          options: nginx.options.parse({ sites }),
          site: { hosts: [], group: () => [host('lb-01', '10.0.0.11')], withRole: () => [] },
        })
        .map(({ path }) => path)
    const app = (name: string, port: number) => ({ name, hosts: [`${name}.test`], app: { command: '/bin/app', port } })
    expect(paths(app('a', 3000), app('b', 3001), app('c', 3000))).toEqual([['sites', 2, 'app', 'port']])
    const files = (name: string, ...hosts: readonly string[]) => ({ name, hosts, content: 'x' })
    expect(paths(files('a', 'a.test', 'b.test'), files('b', 'c.test'), files('c', 'd.test', 'b.test'))).toEqual([['sites', 2, 'hosts']])
    expect(paths(files('a', 'a.test'), app('b', 3000), files('c', 'c.test'))).toEqual([])
  })

  it('that answers slowly declares its longest time for the balancers', () => {
    const listens = (...sites: readonly object[]) =>
      nginx.listens?.({
        host: host('web-01', '10.0.0.12'),
        options: nginx.options.parse({ sites }),
        site: { hosts: [], group: () => [], withRole: () => [] },
      })[0]?.responseSeconds
    const proxied = (name: string, timeout_seconds?: number) => ({
      name,
      hosts: [`${name}.test`],
      proxy: 'http://10.0.0.9',
      timeout_seconds,
    })
    expect(listens(proxied('a', 60), proxied('b', 90), proxied('c'))).toBe(90)
    expect(listens(proxied('a'))).toBeUndefined()
    // Files are sent at once.
    expect(listens({ name: 'a', content: 'x', timeout_seconds: 90 })).toBeUndefined()
  })

  it('declares its names and its probe for the balancers', () => {
    const sites = [
      { name: 'www', hosts: ['www.test', '*.www.test'], content: 'x', probe: { path: '/login' } },
      { name: 'app', hosts: ['app.test'], proxy: 'http://127.0.0.1:1' },
    ]
    const [listen] =
      nginx.listens?.({
        host: host('web-01', '10.0.0.12'),
        options: nginx.options.parse({ content: 'x', sites }),
        site: { hosts: [], group: () => [], withRole: () => [] },
      }) ?? []
    expect(listen?.sites).toEqual([
      { names: [] },
      { names: ['www.test', '*.www.test'], probe: { path: '/login', status: 200 } },
      { names: ['app.test'] },
    ])
  })
})
