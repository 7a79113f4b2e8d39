import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Problem } from '../problem.ts'
import { isCompositeFunction } from '../resource/composite.ts'
import { isKindFunction } from '../resource/kind/kind.ts'
import { listing } from './discover.ts'
import type { Declarable, Kinds } from './yaml/entries.ts'

/**
 * Loads the kinds of a project: `kinds/NAME.ts` and `kinds/NAME/NAME.ts`. A run needs to know them also where no role imports them any
 * more: hosts can have orphans of theirs. Throws a `Problem` for a kind that cannot be loaded. Returns kinds and composites by name.
 */
export const loadKinds = async (root: string): Promise<Kinds> => {
  const loaded = await Promise.all(kindFiles(join(root, 'kinds')).map(loadKind))
  return new Map(loaded.flat().map((kind) => [kind.name, kind]))
}

const kindFiles = (directory: string): readonly string[] =>
  !existsSync(directory)
    ? []
    : listing(directory, 'kinds').flatMap((entry) => {
        if (entry.isFile()) return /^[a-z][a-z0-9-]*\.(ts|js)$/.test(entry.name) ? [join(directory, entry.name)] : []
        const inner = ['ts', 'js'].map((extension) => join(directory, entry.name, `${entry.name}.${extension}`))
        return inner.filter((file) => existsSync(file)).slice(0, 1)
      })

const loadKind = async (path: string): Promise<readonly Declarable[]> => {
  const where = { file: relative(process.cwd(), path) }
  const fix = 'see docs/writing-kinds.md in the package provision'
  const exported: unknown = await import(pathToFileURL(path).href).catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new Problem({ class: 'input', where, what: 'kind cannot be loaded', why, fix }, { cause })
  })
  const kinds = declarableIn(exported as object)
  if (kinds.length > 0) return kinds
  throw new Problem({
    class: 'input',
    where,
    what: 'file exports no kind',
    why: 'a kind is what defineKind() or defineComposite() returns',
    fix,
  })
}

/** Returns the kinds and composites among the exports of a module. */
export const declarableIn = (exported: object): readonly Declarable[] =>
  Object.values(exported).flatMap((one: unknown): readonly Declarable[] =>
    isKindFunction(one) ? [one.kind] : isCompositeFunction(one) ? [one.composite] : [],
  )
