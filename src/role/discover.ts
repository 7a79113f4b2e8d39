import { type Dirent, existsSync, readdirSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Problem } from '../problem.ts'
import { guardedRole } from './guarded-role.ts'
import { asPackaged, type PackagedRole, packagedRoles } from './package/packaged-role.ts'
import { findPackages } from './package/packages.ts'
import { packageHome } from './package-home.ts'
import type { Role } from './role.ts'

/** The file of a role. `packaged` is set for one of a package of npm other than provision. */
export interface RoleFile {
  readonly path: string
  readonly packaged?: PackagedRole
}

/** The files of a project's roles, by role name. A role of the project replaces a shipped role of the same name. */
export type RoleFiles = ReadonlyMap<string, RoleFile>

/** The package provision: its folder, and whether the build runs instead of the sources. */
interface Package {
  readonly home: string
  readonly isCompiled: boolean
}

const thisPackage = (): Package => {
  const home = packageHome()
  return { home, isCompiled: import.meta.dirname.startsWith(join(home, 'dist')) }
}

/**
 * Finds the roles of the project (`roles/NAME/role.ts`, `roles/NAME/role.yaml` or `roles/NAME.ts`), the shipped ones, and those of its
 * dependencies, without loading them.
 */
export const findRoles = (root: string, { home, isCompiled }: Package = thisPackage()): RoleFiles => {
  const shipped = rolesIn(isCompiled ? join(home, 'dist', 'roles') : join(home, 'roles'))
  const own = rolesIn(join(root, 'roles'))
  const packaged = [...packagedRoles(findPackages(root))].map(([name, role]) => [name, { path: role.path, packaged: role }] as const)
  // The checkout of provision is a project too, and its roles are the sources of the shipped ones.
  return root === home ? new Map([...own, ...shipped]) : new Map([...packaged, ...shipped, ...own])
}

/** Returns the files of roles in YAML, relative to the project. */
export const yamlRolesIn = (files: RoleFiles, root: string): RoleFiles =>
  new Map([...files].flatMap(([name, file]) => (/\.ya?ml$/.test(file.path) ? [[name, { ...file, path: relative(root, file.path) }]] : [])))

/** Loads the roles with these names. TypeScript of a project is loaded by type stripping. */
export const loadRoles = async (files: RoleFiles, names: Iterable<string>): Promise<ReadonlyMap<string, Role>> =>
  new Map(
    await Promise.all(
      [...new Set(names)].map(async (name): Promise<[string, Role]> => {
        const file = files.get(name)
        if (file === undefined) throw new Error(`role ${name} was not found`)
        return [name, await loadRole(name, file)]
      }),
    ),
  )

const SEE = 'see docs/writing-roles.md in the package provision'

const loadRole = async (name: string, { path, packaged }: RoleFile): Promise<Role> => {
  const shown = relative(process.cwd(), path)
  const broken = (what: string, why: string): Problem => new Problem({ class: 'input', where: { file: shown }, what, why, fix: SEE })
  const module: { default?: Role } = await import(pathToFileURL(path).href).catch(async (cause: unknown) => {
    const { loadFailure } = await import('./load/load-failure.ts')
    throw new Problem({ class: 'input', what: `role ${name} cannot be loaded`, ...(await loadFailure(cause, path, SEE)) }, { cause })
  })
  const role = module.default
  if (typeof role !== 'object' || typeof role.resources !== 'function' || role.options === undefined)
    throw broken(`role ${name} is not a role`, 'its default export must be what defineRole() returns')
  if (role.name !== (packaged?.name ?? name))
    throw broken(
      `role ${name} has the name ${JSON.stringify(role.name)}`,
      packaged === undefined ? 'its name must be that of its folder or file' : `package.json declares it as ${packaged.name}`,
    )
  if (packaged !== undefined) return guardedRole(asPackaged(role, name, packaged), path, shown, packaged.of.home)
  return isShipped(path) ? role : guardedRole(role, path, shown)
}

/** Whether a role belongs to provision. In its checkout, `roles/NAME.ts` is a role of the user. */
const isShipped = (path: string): boolean => path.startsWith(join(packageHome(), '/')) && /^role\.(ts|js)$/.test(basename(path))

const rolesIn = (directory: string): RoleFiles => {
  if (!existsSync(directory)) return new Map()
  const entries = listing(directory, 'roles')
  return new Map(
    entries.flatMap((entry): [string, RoleFile][] => {
      const path = join(directory, entry.name)
      if (entry.isFile() && /^[a-z][a-z0-9-]*\.(ts|js)$/.test(entry.name)) return [[entry.name.slice(0, -3), { path }]]
      const inner = ['role.ts', 'role.js', 'role.yaml', 'role.yml'].map((file) => join(path, file)).find((file) => existsSync(file))
      return entry.isDirectory() && inner !== undefined ? [[entry.name, { path: inner }]] : []
    }),
  )
}

/** The entries of a project's directory of roles or kinds. Throws a `Problem` if it cannot be read. */
export const listing = (directory: string, what: 'roles' | 'kinds'): readonly Dirent[] => {
  try {
    return readdirSync(directory, { withFileTypes: true })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    const where = { file: relative(process.cwd(), directory) }
    throw new Problem(
      {
        class: 'input',
        where,
        what: `directory of ${what} cannot be read`,
        why,
        fix: 'replace it with a directory that your account can read',
      },
      { cause },
    )
  }
}
