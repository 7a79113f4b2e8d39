import { existsSync, globSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { blocks, inlineCode, pages, prose, read, root } from './pages.ts'

/** Anchors of a page's headings, as GitHub makes them. */
const anchorsOf = (page: string): readonly string[] =>
  [...prose(page).matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )

test('every link points to an existing file and heading', () => {
  const links = pages.flatMap((path) =>
    [...prose(read(path)).matchAll(/\]\((?!https?:)([^)#]*)#?([^)]*)\)/g)].map(([, to = '', anchor = '']) => ({ path, to, anchor })),
  )
  expect(links.length).toBeGreaterThan(20)
  const broken = links.filter(({ path, to, anchor }) => {
    const target = to === '' ? path : join(dirname(path), to)
    return !existsSync(join(root, target)) || (anchor !== '' && !anchorsOf(read(target)).includes(anchor))
  })
  expect(broken).toEqual([])
})

test('the README links to every page of docs/', () => {
  const readme = read('README.md')
  expect(readdirSync(join(root, 'docs')).filter((name) => !readme.includes(`(docs/${name})`))).toEqual([])
})

test('the README has at most 150 lines', () => {
  expect(read('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(150)
})

test('every page that a message of the program names exists', () => {
  const named = globSync(['src/**/*.ts', 'roles/**/*.ts'], { cwd: root }).flatMap((path) => [...read(path).matchAll(/docs\/[a-z-]+\.md/g)])
  expect(named.length).toBeGreaterThan(0)
  expect(named.map(([page]) => page).filter((page) => !existsSync(join(root, page)))).toEqual([])
})

test('every test that the guarantees name exists', () => {
  const named = inlineCode(read('docs/guarantees.md')).filter((code) => /^(e2e|unit|full)\/[a-z]/.test(code))
  expect(named.length).toBeGreaterThan(20)
  expect(named.filter((path) => !['', '.test.ts'].some((end) => existsSync(join(root, 'test', `${path}${end}`))))).toEqual([])
})

test('CONTRIBUTING.md lists the directories of src/ from top to bottom', () => {
  const [, floors = ''] = /^const floors = \[\n(.*?)^\]/ms.exec(read('test/floors.test.ts')) ?? []
  const rooms = [...floors.matchAll(/'([a-z-]+)'/g)].map(([, room = '']) =>
    existsSync(join(root, `src/${room}.ts`)) ? `${room}.ts` : `${room}/`,
  )
  const [picture = ''] = blocks(read('CONTRIBUTING.md'), '')
  expect(picture.split('\n').flatMap((line) => line.split(' ')[0] || [])).toEqual(rooms)
})
