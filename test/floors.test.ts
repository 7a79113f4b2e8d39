import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')

/** The directories of src/ from top to bottom: each imports only directories below it (CONTRIBUTING.md has the list). */
const floors = [
  ['main'],
  ['cli'],
  ['report'],
  ['schedule'],
  ['testing'],
  ['engine'],
  ['index', 'kind'],
  ['role'],
  ['site'],
  ['host'],
  ['resource'],
  ['identities'],
  ['acme', 'authority'],
  ['keystore'],
  ['lab'],
  ['disk'],
  ['problem'],
  ['os-error'],
  ['shell', 'hidden', 'environment', 'first-names', 'ip-address', 'shown-name'],
  ['secret'],
]
const heightOf = (room: string): number => floors.toReversed().findIndex((rooms) => rooms.includes(room))

/** Directories with a folder for each family. */
const ROOMS_OF_FOLDERS = ['resource', 'host', 'site', 'lab']

/** Packages and builtins with side effects, and the directories that may import each. */
const only: Readonly<Record<string, readonly string[]>> = {
  ssh2: ['src/host/'],
  'acme-client': ['src/acme/'],
  listr2: ['src/report/'],
  'age-encryption': ['src/keystore/'],
  '@peculiar/x509': ['src/authority/x509.ts', 'src/acme/issue.ts'],
  'node:fs': [
    'src/main.ts',
    'src/cli/',
    'src/role/discover.ts',
    'src/role/package-home.ts',
    'src/role/files.ts',
    'src/role/kinds.ts',
    'src/role/load/',
    'src/role/package/packages.ts',
    'src/site/read.ts',
    'src/host/',
    'src/keystore/',
    'src/authority/',
    'src/identities.ts',
    'src/acme/',
    'src/lab/',
    'src/disk/',
    'src/testing/',
  ],
  'node:child_process': [
    'src/cli/',
    'src/host/',
    'src/acme/dns/hook.ts',
    'src/site/reference/command-source.ts',
    'src/lab/',
    'src/testing/',
  ],
  'node:net': ['src/host/', 'src/acme/', 'src/lab/'],
}

/** Functions that change files of this machine. `src/disk/` uses them safely: atomically, with unpredictable names and explicit modes. */
const WRITES =
  /^(writeFile|appendFile|createWriteStream|open|rename|mkdir|mkdtemp|chmod|fchmod|lchmod|chown|lchown|fchown|copyFile|cp|link|symlink|truncate|ftruncate|write|writev)(Sync)?$/

/** Other users of these functions, each with its reason. */
const WRITERS: Readonly<Record<string, readonly string[]>> = {
  // A private scratch directory.
  'src/cli/secrets/edit.ts': ['mkdtempSync'],
  'src/lab/keys.ts': ['mkdtemp'],
  'src/host/openssh/scratch.ts': ['mkdtemp'],
  'src/testing/programs.ts': ['mkdtempSync', 'writeFileSync'],
  // Only for reading.
  'src/host/openssh/messages.ts': ['openSync'],
  // Files of the kernel.
  'src/lab/machine/cgroup.ts': ['mkdir', 'writeFile'],
  'src/lab/network.ts': ['writeFile'],
  // Logs and whole directories below /var/lib/provision and /var/cache/provision, where root owns every parent.
  'src/lab/host.ts': ['open'],
  'src/lab/service.ts': ['open'],
  'src/lab/machine/cache.ts': ['mkdtemp', 'rename'],
  'src/lab/prepare.ts': ['chmod', 'rename'],
  'src/lab/archive.ts': ['chmod'],
  'src/lab/machine/image.ts': ['chmod'],
}

const tsFiles = (directory: string): readonly string[] =>
  readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => relative(root, join(root, directory, name)))

interface Import {
  readonly path: string
  readonly specifier: string
}

const IMPORT = /^(?:import|export)\s+(?:type\s+)?(?:([\w*{][^'"]*?)\sfrom\s+)?['"]([^'"]+)['"]|\bimport\('([^']+)'\)/gm
const importsOf = (path: string): readonly Import[] =>
  [...readFileSync(join(root, path), 'utf8').matchAll(IMPORT)]
    // Checks of the form of an address contact no network, and reading a certificate changes nothing.
    .filter(([, names]) => !/^\{ (BlockList|isIP(v[46])?)(, isIPv[46])* \}$/.test(names ?? ''))
    .filter(([, names]) => !/^\{ createPrivateKey, type KeyObject, X509Certificate \}$/.test(names ?? ''))
    .map(([, , declared, asked]) => ({ path, specifier: declared ?? asked ?? '' }))

/** Writing functions that a file imports, or the name of a namespace import, which hides them. */
const writesOf = (text: string): readonly string[] =>
  [...text.matchAll(/^import\s+(?:\{([^}]*)\}|(\S[^{}]*))\s+from 'node:fs(?:\/promises)?'/gm)].flatMap(([, names, whole]) =>
    whole !== undefined
      ? [whole]
      : (names ?? '').split(',').flatMap((name) => (WRITES.test(name.trim().replace(/ as .*/, '')) ? [name.trim()] : [])),
  )

const resolve = (path: string, specifier: string): string => join(path, '..', specifier)
const roomOf = (path: string): string => /^src\/([^/.]+)/.exec(path)?.[1] ?? ''

const sources = tsFiles('src')
const roles = tsFiles('roles')
const edges = sources.flatMap(importsOf)
const inner = edges.filter(({ specifier }) => specifier.startsWith('.') && specifier.endsWith('.ts'))

describe('the floors', () => {
  test('every directory has one', () => {
    expect([...new Set(sources.map(roomOf))].filter((room) => heightOf(room) < 0)).toEqual([])
  })

  test('a directory imports only directories below it', () => {
    const upwards = inner.filter(({ path, specifier }) => {
      const [from, to] = [roomOf(path), roomOf(resolve(path, specifier))]
      return from !== to && heightOf(from) <= heightOf(to)
    })
    expect(upwards).toEqual([])
  })

  test('imports between the folders of one directory have no cycles, type imports included', () => {
    const folderOf = (path: string): string => dirname(path)
    const arrows = new Set(
      inner
        .map(({ path, specifier }) => [folderOf(path), folderOf(resolve(path, specifier))] as const)
        .filter(([from, to]) => from !== to && roomOf(`${from}/`) === roomOf(`${to}/`) && ROOMS_OF_FOLDERS.includes(roomOf(`${from}/`)))
        .map(([from, to]) => `${from} > ${to}`),
    )
    const next = (folder: string): readonly string[] =>
      [...arrows].filter((one) => one.startsWith(`${folder} > `)).map((one) => one.split(' > ')[1] ?? '')
    const circles: string[] = []
    const visit = (folder: string, way: readonly string[]): void => {
      if (way.includes(folder)) circles.push([...way.slice(way.indexOf(folder)), folder].join(' > '))
      else for (const one of next(folder)) visit(one, [...way, folder])
    }
    for (const folder of new Set(sources.map(folderOf))) visit(folder, [])
    expect([...new Set(circles)]).toEqual([])
  })

  test('a folder holds at most 20 files, and a file at most 250 lines', () => {
    const crowded = [...Map.groupBy(sources, (path) => dirname(path))].filter(([, files]) => files.length > 20)
    expect(crowded.map(([folder]) => folder)).toEqual([])
    const long = [...sources, ...roles].filter((path) => readFileSync(join(root, path), 'utf8').split('\n').length > 251)
    expect(long).toEqual([])
  })

  test('tests on lab hosts keep their helpers in a folder support', () => {
    const helpers = ['test/e2e', 'test/full'].flatMap(tsFiles).filter((path) => !path.endsWith('.test.ts') && !path.includes('/support/'))
    expect(helpers).toEqual([])
  })

  test('no cast hides a type', () => {
    const casting = [...sources, ...roles].filter((path) => /as unknown as|as Resource\b/.test(readFileSync(join(root, path), 'utf8')))
    expect(casting).toEqual([])
  })

  test('the engine and the report name no kind', () => {
    const naming = sources
      .filter((path) => /^src\/(engine|report)\//.test(path))
      .filter((path) =>
        /kind\.name ===|'(file|package|service|unit|certificate|owned|drained|galera):/.test(readFileSync(join(root, path), 'utf8')),
      )
    expect(naming).toEqual([])
  })

  test('imports between files have no cycles, type imports included', () => {
    const targets = Map.groupBy(inner, ({ path }) => path)
    const circles: string[] = []
    const walk = (path: string, way: readonly string[]): void => {
      if (way.includes(path)) circles.push([...way.slice(way.indexOf(path)), path].join(' > '))
      else if (!done.has(path)) {
        for (const { specifier } of targets.get(path) ?? []) walk(resolve(path, specifier), [...way, path])
        done.add(path)
      }
    }
    const done = new Set<string>()
    for (const path of sources) walk(path, [])
    expect(circles).toEqual([])
  })

  test('packages and builtins with side effects are imported only where that is allowed', () => {
    const trespasses = edges.filter(({ path, specifier }) => {
      const rooms = only[specifier.replace(/^(node:[a-z]+)\/.*/, '$1')]
      return rooms !== undefined && !rooms.some((room) => path.startsWith(room))
    })
    expect(trespasses).toEqual([])
  })

  test('only src/disk writes files of this machine', () => {
    const writers = sources
      .filter((path) => !path.startsWith('src/disk/'))
      .map((path): [string, readonly string[]] => [path, writesOf(readFileSync(join(root, path), 'utf8'))])
      .filter(([, writes]) => writes.length > 0)
    expect(Object.fromEntries(writers)).toEqual(WRITERS)
  })

  test("roles are built from 'provision', 'provision/kind' and their own folder, as the roles of a project are", () => {
    const strangers = roles.flatMap(importsOf).filter(({ path, specifier }) => {
      const own = path.split('/').slice(0, 2).join('/')
      return !/^provision(\/kind)?$/.test(specifier) && !(specifier.startsWith('.') && resolve(path, specifier).startsWith(`${own}/`))
    })
    expect(strangers).toEqual([])
  })

  test('JSON output goes through one function, which escapes hidden characters', () => {
    const writers = sources.filter((path) => /\b(out|err|line)\([^\n]*JSON\.stringify/.test(readFileSync(join(root, path), 'utf8')))
    expect(writers).toEqual([])
    const reports = sources.filter(
      (path) => path.startsWith('src/report/') && /JSON\.stringify\(value/.test(readFileSync(join(root, path), 'utf8')),
    )
    expect(reports).toEqual(['src/report/json-line.ts'])
  })

  test('nobody but main and the reports writes to the screen', () => {
    const speakers = [...sources, ...roles].filter(
      (path) =>
        !/^src\/(main\.ts|report\/)/.test(path) && /\bconsole\.\w+\(|process\.std(out|err)\b/.test(readFileSync(join(root, path), 'utf8')),
    )
    expect(speakers).toEqual([])
  })
})
