// Bundles src/ and roles/ into dist/: main.js, index.js, kind.js, testing.js, one file per role, and the chunks that they share or load late.
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { build, type Plugin } from 'esbuild'

const root = dirname(import.meta.dirname)
const dist = join(root, 'dist')
const started = new Date()

const roles = existsSync(join(root, 'roles'))
  ? readdirSync(join(root, 'roles')).filter((name) => existsSync(join(root, 'roles', name, 'role.ts')))
  : []

// zod contains its messages in fifty languages. Only English is used.
const englishOnly: Plugin = {
  name: 'english only',
  setup: ({ onLoad }) =>
    onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, ({ path }) => ({
      contents: `export { default as en } from './en.js'`,
      resolveDir: dirname(path),
    })),
}

const { outputFiles, metafile } = await build({
  absWorkingDir: root,
  entryPoints: [
    { in: 'src/main.ts', out: 'main' },
    { in: 'src/index.ts', out: 'index' },
    { in: 'src/kind.ts', out: 'kind' },
    { in: 'src/testing.ts', out: 'testing' },
    ...roles.map((name) => ({ in: `roles/${name}/role.ts`, out: `roles/${name}` })),
  ],
  // yaml exports CommonJS for Node, which starts more slowly and cannot be reduced to the used parts.
  alias: {
    provision: './src/index.ts',
    'provision/kind': './src/kind.ts',
    'provision/testing': './src/testing.ts',
    yaml: './node_modules/yaml/browser/index.js',
  },
  plugins: [englishOnly],
  bundle: true,
  format: 'esm',
  splitting: true,
  platform: 'node',
  target: 'node24',
  outdir: dist,
  // Chunks are beside main.js, so `import.meta.url` is in dist/ for every module.
  chunkNames: '[name]-[hash]',
  minifySyntax: true,
  sourcemap: false,
  legalComments: 'none',
  metafile: true,
  write: false,
  logLevel: 'error',
  // Optional native parts of ssh2, which works without them.
  external: ['*.node', 'cpu-features'],
  // Bundled CommonJS needs the variables that Node defines for CommonJS.
  banner: {
    js: `import { createRequire as __createRequire } from 'node:module'
const require = __createRequire(import.meta.url), __filename = import.meta.filename, __dirname = import.meta.dirname`,
  },
}).catch(() => process.exit(1)) // esbuild has printed the error

/** Replaces a file by a rename. Another process may run from this directory, so entries are replaced last and old chunks are kept for a day. */
const put = (path: string, contents: Uint8Array | string): void => {
  mkdirSync(dirname(path), { recursive: true })
  const temporary = `${path}.${randomUUID()}`
  writeFileSync(temporary, contents, { flag: 'wx' })
  renameSync(temporary, path)
}

const isChunk = (path: string): boolean => /-[0-9A-Z]{8}\.js$/.test(basename(path))
for (const { path, contents } of outputFiles.toSorted((a, b) => Number(isChunk(b.path)) - Number(isChunk(a.path)))) put(path, contents)

const fresh = new Set(outputFiles.map(({ path }) => path))
const yesterday = Date.now() - 24 * 3600 * 1000
for (const path of readdirSync(dist).map((name) => join(dist, name))) {
  if (isChunk(path) && !fresh.has(path) && (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) < yesterday)
    rmSync(path, { force: true })
}
for (const name of readdirSync(join(dist, 'roles'), { encoding: 'utf8' })) {
  // A file without this suffix is being written by another build.
  if (name.endsWith('.js') && !fresh.has(join(dist, 'roles', name))) rmSync(join(dist, 'roles', name), { force: true })
}

/** The bundle contains packages of others, so their licences are part of it. */
const packages = new Set(Object.keys(metafile.inputs).flatMap((input) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? []))
const licences = [...packages].toSorted().map((directory) => {
  const { name, version, license } = JSON.parse(readFileSync(join(root, directory, 'package.json'), 'utf8'))
  const file = readdirSync(join(root, directory)).find((entry) => /^licen[sc]e/i.test(entry))
  return `${name} ${version} (${license})\n\n${file === undefined ? '' : readFileSync(join(root, directory, file), 'utf8')}`
})
put(join(dist, 'licences.txt'), licences.join(`\n${'-'.repeat(80)}\n`))

// A source that was edited during the build counts as newer than the build.
utimesSync(join(dist, 'main.js'), started, started)

if (process.argv.includes('--sizes')) {
  for (const { path, contents } of outputFiles) process.stdout.write(`${relative(root, path)} ${Math.round(contents.length / 1024)} KB\n`)
}
