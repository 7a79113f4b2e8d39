import { dirname } from 'node:path'
import { type Problem, placeOf, type Where } from '../problem.ts'
import type { RoleUse, Site } from '../site/site.ts'
import { inputProblem } from '../site/source/input-problem.ts'
import type { SourceNode } from '../site/source/source-map.ts'
import type { RoleFile, RoleFiles } from './discover.ts'
import { folderIn } from './package/packaged-role.ts'
import type { Role } from './role.ts'
import type { Kinds } from './yaml/entries.ts'
import { playRole } from './yaml/play-role.ts'
import { type YamlRoleFile, yamlRole } from './yaml/yaml-role.ts'

/** The roles of a site by their names in it, and problems that are visible without a host. */
export interface NamedRoles {
  readonly roles: ReadonlyMap<string, Role>
  readonly problems: readonly Problem[]
}

/**
 * Returns the roles of the plays by name: those that were loaded, those that a play binds under another name, and the resources of plays,
 * which count as a role with the name of their play.
 */
export const namedRoles = (
  site: Site,
  loaded: ReadonlyMap<string, Role>,
  { kinds, paths }: { readonly kinds: Kinds; readonly paths: RoleFiles },
): NamedRoles => {
  const problems: Problem[] = []
  const inYaml = [...site.roleFiles].map(([name, node]): [string, Role] => [
    name,
    yamlRole(yamlFile(name, node, paths.get(name)), site, { kinds, problems }),
  ])
  const all = new Map([...loaded, ...inYaml])
  const roles = new Map<string, Role>()
  const firsts = new Map<string, RoleUse>()
  for (const use of site.plays.flatMap((play) => play.roles)) {
    const first = firsts.get(use.name)
    if (first === undefined) firsts.set(use.name, use)
    else if (!isSame(first, use)) problems.push(taken(use, first))
    if (first !== undefined && use.resources === undefined) continue
    const { resources } = use
    const role = resources === undefined ? boundRole(use, all, problems) : playRole({ ...use, resources }, site, { kinds, problems })
    if (resources !== undefined && !isUsable(use.name)) problems.push(unusable(use))
    if (role !== undefined) roles.set(use.name, role)
  }
  return { roles, problems }
}

const yamlFile = (name: string, node: SourceNode, file: RoleFile | undefined): YamlRoleFile => {
  const packaged = file?.packaged
  return packaged === undefined ? { name, node, folder: dirname(file?.path ?? '') } : { name, node, folder: folderIn(packaged), packaged }
}

const isSame = (one: RoleUse, other: RoleUse): boolean =>
  one.resources === undefined && other.resources === undefined && one.role === other.role

const boundRole = (use: RoleUse, loaded: ReadonlyMap<string, Role>, problems: Problem[]): Role | undefined => {
  const role = loaded.get(use.role)
  if (role === undefined || use.name === use.role) return role
  if (role.repeatable !== true)
    problems.push(
      inputProblem(
        placeIn(use.where),
        `role ${use.role} cannot be bound under another name`,
        'remove `as`',
        'two of its kind on one host would declare the same resources; a role that permits it has `repeatable: true`',
      ),
    )
  return { ...role, name: use.name }
}

const taken = (use: RoleUse, first: RoleUse): Problem => {
  const of = (one: RoleUse): string => (one.resources === undefined ? `role ${one.role}` : 'the resources of a play')
  const isPlays = use.resources !== undefined && first.resources !== undefined
  return inputProblem(
    placeIn(use.where),
    isPlays
      ? `two plays that list resources have the name \`${use.name}\``
      : `name \`${use.name}\` is used for ${of(first)} and for ${of(use)}`,
    use.resources === undefined ? 'give that play another `name`' : 'give this play another `name`',
    `the first is at ${placeOf(first.where)}`,
  )
}

/** A name becomes that of a file on the hosts, and an argument of `--role`. */
const isUsable = (name: string): boolean =>
  /^[^\p{Cc}./:@*?[\]\\ -][^\p{Cc}/:@*?[\]\\]{0,99}$/u.test(name) && !/( |\.new)$|%(40|2F)/.test(name)

const unusable = (use: RoleUse): Problem =>
  inputProblem(
    placeIn(use.where),
    `a play that lists resources cannot have the name ${JSON.stringify(use.name)}`,
    'set `name` to a text without / : @ * ? [ ] and \\, of at most 100 characters',
    'its hosts record these resources under the name of the play',
  )

const placeIn = (where: Where): Extract<Where, { file: string }> => ('file' in where ? where : { file: '' })
