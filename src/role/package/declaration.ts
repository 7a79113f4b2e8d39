import { z } from 'zod'
import type { Problem } from '../../problem.ts'
import { keepValid } from '../../site/schema/keep-valid.ts'
import { inputProblem, type Place } from '../../site/source/input-problem.ts'
import { emptyNode, entriesOf, entryOf, fromPlain, type SourceMap, type SourceNode } from '../../site/source/source-map.ts'
import { suggestion } from '../../site/source/suggest.ts'
import { parseYaml } from '../../site/yaml/yaml.ts'

/** A file that a package declares, and its place in package.json. */
export interface DeclaredFile {
  /** Relative to the package: `./dist/role.js`. */
  readonly path: string
  readonly where: Place
}

/** The field `provision` of a package.json: files of roles and kinds by name, and the role that the name of the package alone means. */
export interface Declaration {
  readonly roles: ReadonlyMap<string, DeclaredFile>
  readonly kinds: ReadonlyMap<string, DeclaredFile>
  readonly only: string | undefined
}

const name = z.string().refine((text) => /^[a-z][a-z0-9-]{0,62}$/.test(text), {
  error: 'is not a valid name',
  params: { fix: 'start with a lower-case letter; use lower-case letters, digits and `-`' },
})

/** Whether a path cannot leave the directory that it begins at. Links are checked when the file is looked for. */
const staysInside = (path: string): boolean =>
  /^\.\/[^\\\p{Cc}]{1,250}$/u.test(path) &&
  !path
    .split('/')
    .slice(1)
    .some((part) => part === '' || part === '.' || part === '..')

const file = (endings: readonly string[]) =>
  z
    .string()
    .refine(staysInside, { error: 'is not a path in the package', params: { fix: 'begin it with `./`, without `..`' } })
    .refine((path) => endings.some((ending) => path.endsWith(ending)), {
      error: `does not end with ${endings.join(', ')}`,
      params: { fix: 'name a file of one of these types' },
    })

const CODE = ['.js', '.mjs', '.ts', '.mts']

const schema = z.strictObject({
  roles: z
    .record(name, file([...CODE, '.yaml', '.yml']))
    .optional()
    .meta({ description: 'the files of its roles, by name', examples: [{ redis: './dist/role.js' }] }),
  kinds: z
    .record(name, file(CODE))
    .optional()
    .meta({ description: 'the files of its kinds, by name', examples: [{ 'redis-user': './dist/redis-user.js' }] }),
  default: name.optional().meta({ description: 'the role that the name of the package alone means', examples: ['redis'] }),
})

/** Reads the field `provision` of a package.json, with the position of every part. Adds everything that is wrong with it to `problems`. */
export const readDeclaration = (path: string, text: string, problems: Problem[]): Declaration => {
  const valid = keepValid(fieldOf(path, text), { label: 'provision', schema }, problems)
  const roles = filesAt(valid, 'roles')
  const named = entryOf(valid, 'default')?.node
  const chosen = named?.is === 'scalar' && typeof named.value === 'string' ? named.value : undefined
  if (named !== undefined && chosen !== undefined && !roles.has(chosen))
    problems.push(
      inputProblem(named.place, `default role \`${chosen}\` is not declared`, suggestion(chosen, roles.keys(), 'add it to `roles`')),
    )
  return { roles, kinds: filesAt(valid, 'kinds'), only: chosen ?? (roles.size === 1 ? [...roles.keys()][0] : undefined) }
}

// JSON is YAML, whose reader knows positions, and has limits that JSON does not have.
const fieldOf = (path: string, text: string): SourceNode => {
  const { root } = parseYaml(path, text)
  if (root !== undefined) return entryOf(root, 'provision')?.node ?? emptyNode({ file: path })
  return fromPlain((JSON.parse(text) as { readonly provision: unknown }).provision, { file: path })
}

const filesAt = (valid: SourceMap, key: string): ReadonlyMap<string, DeclaredFile> =>
  new Map(
    entriesOf(entryOf(valid, key)?.node).flatMap(([one, { node }]) =>
      node.is === 'scalar' && typeof node.value === 'string' ? [[one, { path: node.value, where: node.place }] as const] : [],
    ),
  )
