import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Problem, type ProblemParts, placeOf } from '../problem.ts'
import { isCompositeFunction } from '../resource/composite.ts'
import { isKindFunction } from '../resource/kind/kind.ts'
import type { Place } from '../site/source/input-problem.ts'
import { listing } from './discover.ts'
import { findPackages, type PackagedFile, type RolePackage } from './package/packages.ts'
import type { Declarable, Kinds } from './yaml/entries.ts'

/**
 * Loads the kinds of a project (`kinds/NAME.ts` and `kinds/NAME/NAME.ts`) and of its dependencies. A run needs to know them also where no
 * role imports them any more: hosts can have orphans of theirs. Throws a `Problem` for a kind that cannot be loaded, and for one with the
 * name of another, which it would replace in YAML. Returns kinds and composites by name.
 */
export const loadKinds = async (root: string, shipped: Kinds = new Map()): Promise<Kinds> => {
  const own = await Promise.all(kindFiles(join(root, 'kinds')).map(loadKind))
  const places = new Map<string, string>([...shipped.keys()].map((name) => [name, 'the package provision']))
  const kinds = new Map<string, Declarable>()
  for (const { where, kinds: found } of own)
    for (const kind of found) {
      const { name } = kind
      // A file can export again what another has.
      if ((kinds.get(name) ?? shipped.get(name)) === kind) continue
      const first = places.get(name)
      if (first !== undefined) throw taken(name, where, first)
      places.set(name, where.file)
      kinds.set(name, kind)
    }
  for (const one of findPackages(root))
    for (const [name, file] of one.kinds) {
      const loaded = await loadPackaged(name, file, one)
      const first = places.get(name)
      if (first !== undefined) throw sameName(name, file, { from: one.name, first })
      places.set(name, placeOf(file.where))
      kinds.set(name, loaded)
    }
  return kinds
}

const taken = (name: string, where: Place, first: string): Problem =>
  new Problem({
    class: 'input',
    where,
    what: `kind ${name} cannot be loaded`,
    why: `${first} has a kind with this name too`,
    fix: 'give it another name, here and in `resources`',
  })

const sameName = (name: string, { where }: PackagedFile, { from, first }: { readonly from: string; readonly first: string }): Problem =>
  new Problem({
    class: 'input',
    where,
    what: `kind ${name} of ${from} cannot be loaded`,
    why: `another kind has the name ${name}: that of ${first}`,
    fix: anotherVersion(from),
  })

const anotherVersion = (name: string): string => `use another version of ${name}, or remove it`

const kindFiles = (directory: string): readonly string[] =>
  !existsSync(directory)
    ? []
    : listing(directory, 'kinds').flatMap((entry) => {
        if (entry.isFile()) return /^[a-z][a-z0-9-]*\.(ts|js)$/.test(entry.name) ? [join(directory, entry.name)] : []
        const inner = ['ts', 'js'].map((extension) => join(directory, entry.name, `${entry.name}.${extension}`))
        return inner.filter((file) => existsSync(file)).slice(0, 1)
      })

const loadKind = async (path: string): Promise<{ readonly where: Place; readonly kinds: readonly Declarable[] }> => {
  const where = { file: relative(process.cwd(), path) }
  const kinds = await kindsIn(path, { where, what: 'kind cannot be loaded', fix: SEE })
  if (kinds.length > 0) return { where, kinds }
  throw new Problem({
    class: 'input',
    where,
    what: 'file exports no kind',
    why: 'a kind is what defineKind() or defineComposite() returns',
    fix: SEE,
  })
}

const SEE = 'see docs/writing-kinds.md in the package provision'

/** Loads a kind that a package declares under this name. */
const loadPackaged = async (name: string, { path, where }: PackagedFile, { name: from }: RolePackage): Promise<Declarable> => {
  const fix = anotherVersion(from)
  const kinds = await kindsIn(path, { where, what: `kind ${name} of ${from} cannot be loaded`, fix })
  const found = kinds.find((kind) => kind.name === name)
  if (found !== undefined) return found
  const why = kinds.length === 0 ? 'its file exports no kind' : `its file exports ${kinds.map((kind) => kind.name).join(', ')}`
  throw new Problem({ class: 'input', where, what: `kind ${name} of ${from} does not exist`, why, fix })
}

/** Imports a file, and returns the kinds that it exports. */
const kindsIn = async (path: string, parts: Pick<ProblemParts, 'where' | 'what' | 'fix'>): Promise<readonly Declarable[]> => {
  const exported: unknown = await import(pathToFileURL(path).href).catch(async (cause: unknown) => {
    const { loadFailure } = await import('./load/load-failure.ts')
    const failure = await loadFailure(cause, path, parts.fix)
    // The place of a packaged kind is its declaration.
    const where = 'line' in parts.where ? parts.where : failure.where
    throw new Problem({ class: 'input', ...parts, ...failure, where }, { cause })
  })
  return declarableIn(exported as object)
}

/** Returns the kinds and composites among the exports of a module. */
export const declarableIn = (exported: object): readonly Declarable[] =>
  Object.values(exported).flatMap((one: unknown): readonly Declarable[] =>
    isKindFunction(one) ? [one.kind] : isCompositeFunction(one) ? [one.composite] : [],
  )
