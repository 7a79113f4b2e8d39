import { type Dirent, existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Problem } from '../problem.ts'
import { answerable } from './answerable.ts'
import type { Role } from './role.ts'

/** Where the roles of a project lie, by name; the user's own win over shipped ones of the same name. */
export type RoleFiles = ReadonlyMap<string, string>

/** Looks for roles: `roles/NAME/role.ts` or `roles/NAME.ts` in the project, and those that are shipped. Loads none of them. */
export const findRoles = (root: string): RoleFiles => {
  const home = packageHome()
  const compiled = join(home, 'dist', 'roles')
  const shipped = import.meta.dirname.startsWith(join(home, 'dist')) ? rolesIn(compiled) : rolesIn(join(home, 'roles'))
  return new Map([...shipped, ...(root === home ? [] : rolesIn(join(root, 'roles')))])
}

/** Loads the roles with these names; a user's TypeScript is loaded as it is, by type stripping. */
export const loadRoles = async (files: RoleFiles, names: Iterable<string>): Promise<ReadonlyMap<string, Role>> =>
  new Map(
    await Promise.all(
      [...new Set(names)].map(async (name): Promise<[string, Role]> => {
        const path = files.get(name)
        if (path === undefined) throw new Error(`role ${name} was never found`)
        return [name, await loadRole(name, path)]
      }),
    ),
  )

const loadRole = async (name: string, path: string): Promise<Role> => {
  const shown = relative(process.cwd(), path)
  const broken = (what: string, why: string, cause?: unknown): Problem =>
    new Problem({ class: 'input', where: { file: shown }, what, why, fix: 'see docs/writing-roles.md' }, { cause })
  const module: { default?: Role } = await import(pathToFileURL(path).href).catch((error: unknown) => {
    throw broken(`role ${name} cannot be loaded`, error instanceof Error ? error.message : String(error), error)
  })
  const role = module.default
  if (typeof role !== 'object' || typeof role.resources !== 'function' || role.options === undefined)
    throw broken(`role ${name} is not a role`, 'its default export must be what defineRole() returns')
  if (role.name !== name)
    throw broken(`role ${name} calls itself ${JSON.stringify(role.name)}`, 'its name must be that of its folder or file')
  return path.startsWith(join(packageHome(), '/')) ? role : answerable(role, path, shown)
}

const rolesIn = (directory: string): RoleFiles => {
  if (!existsSync(directory)) return new Map()
  const entries = listing(directory)
  return new Map(
    entries.flatMap((entry): [string, string][] => {
      const path = join(directory, entry.name)
      if (entry.isFile() && /^[a-z][a-z0-9-]*\.(ts|js)$/.test(entry.name)) return [[entry.name.slice(0, -3), path]]
      const inner = ['role.ts', 'role.js'].map((file) => join(path, file)).find((file) => existsSync(file))
      return entry.isDirectory() && inner !== undefined ? [[entry.name, inner]] : []
    }),
  )
}

const listing = (directory: string): readonly Dirent[] => {
  try {
    return readdirSync(directory, { withFileTypes: true })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    const where = { file: relative(process.cwd(), directory) }
    throw new Problem(
      { class: 'input', where, what: 'no role can be looked for here', why, fix: 'make it a directory that you may read' },
      { cause },
    )
  }
}

/** The folder of this package, whether it runs from its sources or from its build. */
const packageHome = (): string => {
  let directory = import.meta.dirname
  while (!isOurs(directory)) {
    if (dirname(directory) === directory) throw new Error('provision cannot find its own package.json')
    directory = dirname(directory)
  }
  return directory
}

const isOurs = (directory: string): boolean => {
  const path = join(directory, 'package.json')
  return existsSync(path) && (JSON.parse(readFileSync(path, 'utf8')) as { name?: string }).name === 'provision'
}
