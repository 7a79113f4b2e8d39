import { dirname, join, relative } from 'node:path'
import { filesBelow, named, type ProjectFile } from '../files.ts'
import type { HostContext, Role } from '../role.ts'
import type { RolePackage } from './packages.ts'

/** A role of a package: its own name, its file, and its package. */
export interface PackagedRole {
  readonly name: string
  readonly path: string
  readonly of: Pick<RolePackage, 'name' | 'version' | 'home'>
}

/**
 * Returns the roles of packages by the names that a play can use: `PACKAGE/ROLE`, and the name of the package alone for its only or default
 * role.
 */
export const packagedRoles = (packages: readonly RolePackage[]): ReadonlyMap<string, PackagedRole> =>
  new Map(
    packages.flatMap((one) =>
      [...one.roles].flatMap(([name, { path }]) => {
        const role: PackagedRole = { name, path, of: one }
        return [...(one.only === name ? [[one.name, role] as const] : []), [`${one.name}/${name}`, role] as const]
      }),
    ),
  )

/** Names a role as the site does. Paths that begin with `./` are those of its package; all others are those of the project. */
export const asPackaged = (role: Role, name: string, { of }: PackagedRole): Role => ({
  ...role,
  name,
  resources: (context) => role.resources({ ...context, files: packageFiles(of, context.files) }),
})

type Files = HostContext<unknown>['files']

/** Reads files of the package for paths that begin with `./`, and files of the project for others. Each is read once a run. */
export const packageFiles = ({ home, name: packageName }: PackagedRole['of'], ofProject: Files): Files => {
  const known = read.get(ofProject) ?? new Map<string, readonly ProjectFile[]>()
  read.set(ofProject, known)
  const files: Files = (directory, name) => {
    if (directory !== '.' && !directory.startsWith('./')) return ofProject(directory, name)
    const key = JSON.stringify([home, directory, name])
    const found = known.get(key) ?? filesBelow({ directory: home, is: 'package', shown: packageName }, directory, name)
    known.set(key, found)
    return found
  }
  return named(files, (path) => (path.startsWith('./') ? join(packageName, path) : path))
}

const read = new WeakMap<Files, Map<string, readonly ProjectFile[]>>()

/** Returns the folder of a role in YAML, as `packageFiles` takes it. */
export const folderIn = ({ path, of }: PackagedRole): string => `./${relative(of.home, dirname(path))}`.replace(/\/$/, '')
