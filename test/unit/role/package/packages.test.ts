import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { expect, test } from 'vitest'
import { problemsIn } from '../../../../src/problem.ts'
import { findPackages } from '../../../../src/role/package/packages.ts'
import { project } from '../../site/project.ts'
import { packageFiles, projectWith } from './installed.ts'

const ROLE = { 'dist/role.js': '', 'role.yaml': '' }

/** `path:line:column what → fix` of each problem, with paths below the project. */
const problemsOf = (root: string): readonly string[] => {
  try {
    findPackages(root)
    return []
  } catch (error) {
    return (problemsIn(error) ?? []).map(({ where, what, fix }) => {
      const { file = '', line, column } = where as { file?: string; line?: number; column?: number }
      return `${relative(root, file)}:${line}:${column} ${what} → ${fix}`
    })
  }
}

const declared = (declares: unknown, files: Readonly<Record<string, string>> = ROLE): readonly string[] =>
  problemsOf(projectWith(['redis'], packageFiles('redis', declares, files)))

test('finds the roles and kinds that the dependencies of a project declare', () => {
  const root = project({
    'package.json': JSON.stringify({
      dependencies: { '@acme/redis': '1', plain: '1', 'not-installed': '1' },
      devDependencies: { tools: '1' },
      optionalDependencies: { extra: '1' },
    }),
    ...packageFiles('@acme/redis', { roles: { redis: './dist/role.js' }, kinds: { 'redis-user': './dist/role.js' } }, ROLE),
    ...packageFiles('tools', { roles: { one: './dist/role.js', two: './role.yaml' }, default: 'two' }, ROLE),
    ...packageFiles('extra', { roles: { one: './dist/role.js', two: './role.yaml' } }, ROLE),
    ...packageFiles('of-another-package', { roles: { none: './dist/role.js' } }, ROLE),
    'node_modules/plain/package.json': '{ "name": "plain", "peerDependencies": { "provision": "*" } }',
  })
  const file = (path: string) => expect.objectContaining({ path: join(root, 'node_modules', path) })
  expect(findPackages(root)).toEqual([
    {
      ...{ name: '@acme/redis', version: '1.2.3', home: join(root, 'node_modules/@acme/redis'), only: 'redis' },
      roles: new Map([['redis', file('@acme/redis/dist/role.js')]]),
      kinds: new Map([['redis-user', file('@acme/redis/dist/role.js')]]),
    },
    expect.objectContaining({
      ...{ name: 'tools', only: 'two', kinds: new Map() },
      roles: new Map([
        ['one', file('tools/dist/role.js')],
        ['two', file('tools/role.yaml')],
      ]),
    }),
    expect.objectContaining({ name: 'extra', only: undefined }),
  ])
})

test('a package can be installed in a directory above the project, as in a workspace', () => {
  const root = project(packageFiles('redis', { roles: { redis: './role.yaml' } }, ROLE))
  mkdirSync(join(root, 'site'))
  writeFileSync(join(root, 'site/package.json'), '{ "dependencies": { "redis": "*" } }')
  expect(findPackages(join(root, 'site')).map(({ home }) => home)).toEqual([join(root, 'node_modules/redis')])
})

test('a project in a package with roles knows them by the name of the package, without installing it', () => {
  const own = JSON.stringify({
    name: '@acme/redis',
    provision: { roles: { redis: './role.yaml' } },
    devDependencies: { '@acme/redis': '1' },
  })
  const root = project({ 'package.json': own, 'role.yaml': '', 'test/lab/playbooks/site.yaml': '', 'site/package.json': '{}' })
  for (const place of ['.', 'test/lab', 'site'])
    expect(findPackages(join(root, place)), place).toEqual([expect.objectContaining({ name: '@acme/redis', home: root, only: 'redis' })])
  mkdirSync(join(root, 'site/inner'))
  expect(findPackages(join(root, 'site/inner'))).toEqual([])
})

test('a project without package.json or dependencies has no packages', () => {
  expect(findPackages(project({}))).toEqual([])
  expect(findPackages(project({ 'package.json': '{ "dependencies": null }' }))).toEqual([])
})

test('a dependency whose name is a path is not read', () => {
  const files = { 'outside/package.json': '{ "provision": { "roles": 1 } }' }
  expect(problemsOf(projectWith(['../outside', '..', '@a/../../outside'], files))).toEqual([])
})

test('a package.json of the project that is no JSON is an input error', () => {
  expect(problemsOf(project({ 'package.json': '{' }))).toEqual([
    'package.json:undefined:undefined package.json is not a JSON object → correct it; npm prints the line',
  ])
})

test('a package.json that npm accepts and YAML does not is read without positions', () => {
  const text = JSON.stringify({ deep: JSON.parse('['.repeat(3000) + ']'.repeat(3000)), provision: { roles: { redis: './x' } } })
  const root = projectWith(['redis'], { 'node_modules/redis/package.json': text })
  expect(problemsOf(root)).toEqual([expect.stringMatching(/^node_modules\/redis\/package.json:undefined:undefined `roles\.redis`/)])
})

test.each([
  ['a misspelt field', { role: {} }, '6:5 unknown option `role` in provision → did you mean `roles`?'],
  [
    'a name that is no name',
    { roles: { 'Re dis': './role.yaml' } },
    '7:7 key `Re dis` is not a valid name → start with a lower-case letter; use lower-case letters, digits and `-`',
  ],
  [
    'a default that is not declared',
    { roles: { redis: './role.yaml' }, default: 'rediss' },
    '9:16 default role `rediss` is not declared → did you mean `redis`?',
  ],
])('%s is reported at its place', (_, declares, problem) => {
  expect(declared(declares)).toEqual([`node_modules/redis/package.json:${problem}`])
})

test.each([
  '/etc/passwd.js',
  '../x.js',
  './../x.js',
  './a/../../x.js',
  'dist/role.js',
  './a//b.js',
  './a\u0000.js',
  './.js/./x.js',
  '.\\x.js',
])('a path that could leave the package is refused: %j', (path) => {
  expect(declared({ roles: { redis: path } })).toEqual([
    expect.stringMatching(
      /^node_modules\/redis\/package\.json:7:16 `roles\.redis`: ".*" is not a path in the package → begin it with `\.\/`, without `\.\.`$/,
    ),
  ])
})

test.each([
  ['roles', './x.json', '.js, .mjs, .ts, .mts, .yaml, .yml'],
  ['kinds', './x.yaml', '.js, .mjs, .ts, .mts'],
])('a file of another type is refused in %s: %s', (field, path, endings) => {
  expect(declared({ [field]: { redis: path } })).toEqual([
    `node_modules/redis/package.json:7:16 \`${field}.redis\`: "${path}" does not end with ${endings} → name a file of one of these types`,
  ])
})

test('a link that leads out of the package is refused', () => {
  const root = projectWith(['redis'], { ...packageFiles('redis', { roles: { redis: './role.js' } }), 'outside.js': '' })
  symlinkSync(join(root, 'outside.js'), join(root, 'node_modules/redis/role.js'))
  expect(problemsOf(root)).toEqual([
    'node_modules/redis/package.json:7:16 ./role.js leads out of the package → use another version of redis, or remove it',
  ])
})

test('a file that does not exist names both ways to get it', () => {
  expect(declared({ roles: { redis: './dist/other.js' } })).toEqual([
    'node_modules/redis/package.json:7:16 ./dist/other.js does not exist → install it again: npm install redis; if it is yours, build it: npm run build',
  ])
})

test('TypeScript is refused below node_modules, with the command of its author, and accepted in a linked package', () => {
  expect(declared({ roles: { redis: './role.ts' } }, { 'role.ts': '' })).toEqual([
    'node_modules/redis/package.json:7:16 ./role.ts is TypeScript, which Node does not load below node_modules → ' +
      'tell the author of redis to publish JavaScript: tsc --outDir dist, and "./dist/role.js" here',
  ])
  const root = projectWith(['redis'], {
    'packages/redis/role.ts': '',
    'packages/redis/package.json': '{ "provision": { "roles": { "redis": "./role.ts" } } }',
  })
  rmSync(join(root, 'node_modules'), { recursive: true, force: true })
  mkdirSync(join(root, 'node_modules'))
  symlinkSync('../packages/redis', join(root, 'node_modules/redis'))
  expect(findPackages(root)[0]?.roles.get('redis')?.path).toBe(join(root, 'packages/redis/role.ts'))
})
