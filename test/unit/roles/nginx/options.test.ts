import { describe, expect, it } from 'vitest'
import nginx from '../../../../roles/nginx/role.ts'
import { Problem } from '../../../../src/problem.ts'
import { host, unknownIdentities } from '../context.ts'
import { declaredBy } from './server.ts'

const PAGES = { 'index.html': '', 'app.html': '', 'errors/404.html': '', 'docs/start.html': '' }

/** What is wrong with a site, and the value at which the error is reported. */
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

  it('tells the balancers its names and its probe', () => {
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
