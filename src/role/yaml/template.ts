import type { Problem } from '../../problem.ts'
import type { Secret } from '../../secret/secret.ts'
import { shownText } from '../../shown-name.ts'
import { inputProblem, type Place } from '../../site/source/input-problem.ts'
import { placeInText, type SourceScalar } from '../../site/source/source-map.ts'
import { nearest } from '../../site/source/suggest.ts'

/** The maps that a reference can name. `item` is there within `each`, `options` and `role` within a role. */
export type Root = 'vars' | 'host' | 'facts' | 'options' | 'role' | 'item'

/** `${vars.shop.port}`: the map, and the names that lead to the value. */
export interface Reference {
  readonly root: Root
  readonly path: readonly string[]
  readonly place: Place
}

/** A text in parts: literal text, values that were resolved when the file was read, and references. */
export type Piece = string | Secret | Reference

/** The roots that a text may name, and its problems. */
export interface Scanning {
  readonly roots: readonly Root[]
  readonly problems: Problem[]
}

export const ROOTS: readonly Root[] = ['vars', 'host', 'facts', 'options', 'role', 'item']

export const isReference = (piece: Piece): piece is Reference => typeof piece === 'object' && 'root' in piece

export const referenceText = ({ root, path }: Pick<Reference, 'root' | 'path'>): string => `\${${[root, ...path].join('.')}}`

/** Returns the text of a scalar in parts. `$${vars.x}` is the text `${vars.x}`; `${HOME}` and other names without a dot are no references. */
export const piecesOf = (node: SourceScalar, scanning: Scanning): readonly Piece[] => {
  const { parts = [{ written: String(node.value) }] } = node
  return parts.flatMap((part) => {
    if ('value' in part) return part.value === '' ? [] : [part.value]
    // Offsets are those of the file only if the text is one part.
    const placeAt = parts.length === 1 ? (index: number) => placeInText(node, part.written, index) : () => node.place
    return scan(part.written, placeAt, scanning)
  })
}

const scan = (text: string, placeAt: (index: number) => Place, scanning: Scanning): readonly Piece[] => {
  const pieces: Piece[] = []
  let end = 0
  const literal = (until: number): void => {
    const last = pieces.at(-1)
    const more = text.slice(end, until)
    if (typeof last === 'string') pieces[pieces.length - 1] = last + more
    else if (more !== '') pieces.push(more)
    end = until
  }
  for (const { index, 0: whole, 1: inside = '' } of text.matchAll(/\$?\$\{([^}]*)\}/g)) {
    if (whole.startsWith('$$')) {
      if (!looksLikeReference(inside)) continue
      literal(index)
      end = index + 1
      continue
    }
    const found = referenceIn(inside, placeAt(index), scanning)
    if (found === undefined) continue
    literal(index)
    if (found !== 'invalid') pieces.push(found)
    end = index + whole.length
  }
  literal(text.length)
  return pieces
}

const DOTTED = /^[A-Za-z_][\w-]*(\.[\w-]+)+$/

const looksLikeReference = (inside: string): boolean => DOTTED.test(inside) || rootOf(inside) !== undefined

/** The root that a text begins with, also if the rest of it is no reference: `facts.x | int`. */
const rootOf = (inside: string): Root | undefined =>
  ROOTS.find((root) => inside === root || new RegExp(`^\\s*${root}\\s*[.[|]`).test(inside))

/** Returns a reference; undefined for other text, such as a variable of a shell. */
const referenceIn = (inside: string, place: Place, { roots, problems }: Scanning): Reference | 'invalid' | undefined => {
  const shown = `\`\${${shownText(inside)}}\``
  const invalid = (what: string, fix: string): 'invalid' => {
    problems.push(inputProblem(place, what, fix))
    return 'invalid'
  }
  const [name = '', ...path] = inside.split('.')
  const root = rootOf(inside)
  if (root !== undefined && !roots.includes(root)) return invalid(`${shown} is not known here`, UNKNOWN_HERE[root] ?? `use ${list(roots)}`)
  if (root !== undefined && (inside === 'item' || DOTTED.test(inside))) return { root, path, place }
  if (root !== undefined)
    return invalid(`${shown} is not a reference`, `write \${${root}.NAME}; a reference has no filters, defaults or calculations`)
  if (!DOTTED.test(inside)) return undefined
  const near = nearest(name, roots)
  return invalid(
    `${shown} is not known`,
    near === undefined
      ? `begin with ${list(roots)}; for literal text, write \`$\${${shownText(inside)}}\``
      : `did you mean \`\${${shownText([near, ...path].join('.'))}}\`?`,
  )
}

const UNKNOWN_HERE: Partial<Record<Root, string>> = {
  item: 'use it in an entry that has `each`',
  options: 'options belong to a role; use `vars` in a play',
  role: 'only a role has a name of its own; use `vars` in a play',
}

const list = (roots: readonly Root[]): string => roots.map((root) => `\`${root}\``).join(', ')
