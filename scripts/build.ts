// Bundles src/ and roles/ into dist/: main.js, index.js, kind.js, one file a role, and the chunks that they share or load late.
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

// zod brings its messages in fifty languages; we write our own in one.
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
    ...roles.map((name) => ({ in: `roles/${name}/role.ts`, out: `roles/${name}` })),
  ],
  // yaml's own choice for node is CommonJS, which cannot be cut to what is used and starts later.
  alias: { provision: './src/index.ts', 'provision/kind': './src/kind.ts', yaml: './node_modules/yaml/browser/index.js' },
  plugins: [englishOnly],
  bundle: true,
  format: 'esm',
  splitting: true,
  platform: 'node',
  target: 'node24',
  outdir: dist,
  // Chunks lie beside main.js, so that `import.meta.url` means dist/ wherever esbuild puts a module.
  chunkNames: '[name]-[hash]',
  minifySyntax: true,
  sourcemap: false,
  legalComments: 'none',
  metafile: true,
  write: false,
  logLevel: 'error',
  // ssh2's optional native parts: it tries them, and does without.
  external: ['*.node', 'cpu-features'],
  // Bundled CommonJS still uses what Node gives to CommonJS.
  banner: {
    js: `import { createRequire as __createRequire } from 'node:module'
const require = __createRequire(import.meta.url), __filename = import.meta.filename, __dirname = import.meta.dirname`,
  },
}).catch(() => process.exit(1)) // esbuild has said where and why

/** Another provision may be running from this folder: files are replaced by renaming, the entries last, and older chunks stay for a day. */
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
  // What does not end so is being written by another build.
  if (name.endsWith('.js') && !fresh.has(join(dist, 'roles', name))) rmSync(join(dist, 'roles', name), { force: true })
}

/** What we bundle is others' work: their licences travel with it. */
const packages = new Set(Object.keys(metafile.inputs).flatMap((input) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? []))
const licences = [...packages].toSorted().map((directory) => {
  const { name, version, license } = JSON.parse(readFileSync(join(root, directory, 'package.json'), 'utf8'))
  const file = readdirSync(join(root, directory)).find((entry) => /^licen[sc]e/i.test(entry))
  return `${name} ${version} (${license})\n\n${file === undefined ? '' : readFileSync(join(root, directory, file), 'utf8')}`
})
put(join(dist, 'licences.txt'), licences.join(`\n${'-'.repeat(80)}\n`))

// What was edited while we built counts as newer than the build.
utimesSync(join(dist, 'main.js'), started, started)

if (process.argv.includes('--sizes')) {
  for (const { path, contents } of outputFiles) process.stdout.write(`${relative(root, path)} ${Math.round(contents.length / 1024)} KB\n`)
}
