import { relative } from 'node:path'
import { findRoles, loadRoles, type RoleFile, yamlRolesIn } from '../../role/discover.ts'
import type { Role } from '../../role/role.ts'
import type { Kinds } from '../../role/yaml/entries.ts'
import { roleFromText } from '../../role/yaml/yaml-role.ts'
import { readText } from '../../site/read.ts'

/** All roles that a play of the project can bind, by name, sorted. */
export const rolesIn = async (root: string, kinds: Kinds): Promise<ReadonlyMap<string, Role>> => {
  const files = findRoles(root)
  const inYaml = yamlRolesIn(files, root)
  const loaded = await loadRoles(
    files,
    [...files.keys()].filter((name) => !inYaml.has(name)),
  )
  const others = [...inYaml].map(([name, { path }]) => [name, roleFromText(name, { path, text: readText(root, path) }, kinds)] as const)
  return new Map([...loaded, ...others].toSorted(([one], [other]) => (one < other ? -1 : 1)))
}

/** Returns where a role comes from: a file of the project, a package with its version, or provision. */
export const originOf = (root: string, { path, packaged }: RoleFile): string => {
  if (packaged !== undefined) return `${packaged.of.name} ${packaged.of.version}`.trim()
  const below = relative(root, path)
  return below.startsWith('roles/') ? below : 'provision'
}
