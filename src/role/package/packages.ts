import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { isWithin } from '../../disk/within.ts'
import { type Problem, Problems } from '../../problem.ts'
import { inputProblem, type Place } from '../../site/source/input-problem.ts'
import { type DeclaredFile, readDeclaration } from './declaration.ts'

/** A package of npm that declares roles or kinds in its package.json. */
export interface RolePackage {
  readonly name: string
  readonly version: string
  /** Its directory, absolute, links resolved. */
  readonly home: string
  /** Roles by their own names. */
  readonly roles: ReadonlyMap<string, PackagedFile>
  readonly kinds: ReadonlyMap<string, PackagedFile>
  /** The role that the name of the package alone means. */
  readonly only: string | undefined
}

/** A file of a package: its absolute path, links resolved, and the place in package.json that declares it. */
export interface PackagedFile {
  readonly path: string
  readonly where: Place
}

const MAX_BYTES = 1_048_576

/**
 * Returns the packages with roles or kinds of a project: the one to which it belongs itself, and those among its dependencies, in their order.
 * A dependency that is not installed is left out. Loads no code. Throws all problems of their declarations.
 */
export const findPackages = (root: string): readonly RolePackage[] => {
  const problems: Problem[] = []
  const own = ownPackage(root)
  const names = dependenciesOf(root).filter((name) => name !== own?.name)
  const found = [...(own === undefined ? [] : [own]), ...names.map((name) => ({ name, directory: directoryOf(root, name) }))].flatMap(
    ({ name, directory }): readonly RolePackage[] => {
      const text = directory === undefined ? undefined : readBounded(join(directory, 'package.json'))
      // Most packages of a project have nothing to do with provision.
      if (directory === undefined || text === undefined || !text.includes('"provision"')) return []
      const manifest = jsonIn(text)
      return manifest !== undefined && Object.hasOwn(manifest, 'provision')
        ? [readPackage({ name, directory, text, manifest }, problems)]
        : []
    },
  )
  if (problems.length > 0) throw new Problems(problems)
  return found
}

/** The dependencies that a project itself declares. A package that another one depends on is not asked for roles. */
export const dependenciesOf = (root: string): readonly string[] => {
  const path = join(root, 'package.json')
  const text = readBounded(path)
  if (text === undefined) return []
  const manifest = jsonIn(text)
  if (manifest === undefined)
    throw inputProblem({ file: relative(process.cwd(), path) }, 'package.json is not a JSON object', 'correct it; npm prints the line')
  const fields = ['dependencies', 'devDependencies', 'optionalDependencies'].map((field) => manifest[field])
  const names = fields.flatMap((field) => (typeof field === 'object' && field !== null ? Object.keys(field) : []))
  return [...new Set(names)].filter((name) => isPackageName(name) && name !== 'provision')
}

/** Whether a text is a name that npm accepts. It becomes a part of a path, and a role's name on hosts. */
export const isPackageName = (name: string): boolean =>
  /^(@[A-Za-z0-9~-][\w.~-]*\/)?[A-Za-z0-9~-][\w.~-]*$/.test(name) && name.length <= 214

/** The package to which a project belongs: its own package.json, or the next one above it. So the tests of a package can bind its roles. */
const ownPackage = (root: string): { readonly name: string; readonly directory: string } | undefined => {
  for (let directory = root; ; directory = dirname(directory)) {
    const text = readBounded(join(directory, 'package.json'))
    const manifest = text === undefined ? undefined : jsonIn(text)
    const isRoles = manifest !== undefined && Object.hasOwn(manifest, 'provision')
    if (isRoles && typeof manifest.name === 'string' && isPackageName(manifest.name)) return { name: manifest.name, directory }
    if ((text !== undefined && directory !== root) || dirname(directory) === directory) return undefined
  }
}

/** Finds an installed package as Node does: in `node_modules` of the project, or of a directory above it. */
const directoryOf = (root: string, name: string): string | undefined => {
  for (let directory = root; ; directory = dirname(directory)) {
    const found = join(directory, 'node_modules', name)
    if (existsSync(join(found, 'package.json'))) return found
    if (dirname(directory) === directory) return undefined
  }
}

interface Installed {
  readonly name: string
  readonly directory: string
  readonly text: string
  readonly manifest: Readonly<Record<string, unknown>>
}

const readPackage = ({ name, directory, text, manifest }: Installed, problems: Problem[]): RolePackage => {
  const home = realpathSync(directory)
  const { roles, kinds, only } = readDeclaration(relative(process.cwd(), join(directory, 'package.json')), text, problems)
  const filesOf = (files: ReadonlyMap<string, DeclaredFile>) =>
    new Map(
      [...files].flatMap(([key, file]) => {
        const path = pathOf({ name, home }, file, problems)
        return path === undefined ? [] : [[key, { path, where: file.where }] as const]
      }),
    )
  return { name, version: String(manifest.version ?? ''), home, roles: filesOf(roles), kinds: filesOf(kinds), only }
}

/** Returns the absolute path of a declared file. Adds a problem, and returns undefined, if it cannot be loaded. */
const pathOf = (
  { name, home }: Pick<RolePackage, 'name' | 'home'>,
  { path, where }: DeclaredFile,
  problems: Problem[],
): string | undefined => {
  const full = join(home, path)
  const report = (what: string, fix: string, why?: string): undefined => void problems.push(inputProblem(where, what, fix, why))
  if (!isWithin(home, full)) return report(`${path} leads out of the package`, `use another version of ${name}, or remove it`)
  if (statSync(full, { throwIfNoEntry: false })?.isFile() !== true)
    return report(`${path} does not exist`, `install it again: npm install ${name}; if it is yours, build it: npm run build`)
  const real = realpathSync(full)
  if (/\.m?ts$/.test(path) && real.split('/').includes('node_modules'))
    return report(
      `${path} is TypeScript, which Node does not load below node_modules`,
      `tell the author of ${name} to publish JavaScript: tsc --outDir dist, and "${path.replace(/^\.\//, './dist/').replace(/ts$/, 'js')}" here`,
      'Node removes types only from files of a project itself',
    )
  return real
}

const readBounded = (path: string): string | undefined => {
  const found = statSync(path, { throwIfNoEntry: false })
  return found?.isFile() && found.size <= MAX_BYTES ? readFileSync(path, 'utf8') : undefined
}

const jsonIn = (text: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    // npm accepts a byte order mark.
    const value: unknown = JSON.parse(text.replace(/^\uFEFF/, ''))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
