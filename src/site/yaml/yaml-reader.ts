import { type Alias, isAlias, isMap, isScalar, isSeq, type LineCounter, type Node, type Pair, type Scalar, type YAMLMap } from 'yaml'
import type { Problem } from '../../problem.ts'
import { shownName, shownText } from '../../shown-name.ts'
import { resolveReferences, type Sources } from '../reference/references.ts'
import { inputProblem, type Place } from '../source/input-problem.ts'
import type { SourceEntry, SourceNode } from '../source/source-map.ts'
import { isExact } from './exact-number.ts'
import { templateWarnings } from './template-warnings.ts'

const MAX_DEPTH = 40
const MAX_NODES = 100_000
const MAX_ALIASED = 10_000
/** Values from aliases for each value that the file itself contains, where these are more than `MAX_ALIASED`. */
const MAX_ALIASED_EACH = 10
const CORE_TAGS = new Set(['str', 'int', 'float', 'bool', 'null', 'map', 'seq'].map((name) => `tag:yaml.org,2002:${name}`))

/** Thrown if a file exceeds a limit: too many aliases, values or levels. */
export class LimitExceeded extends Error {
  readonly problem: Problem
  constructor(problem: Problem) {
    super(problem.message)
    this.problem = problem
  }
}

type Path = readonly string[]

/** Converts nodes of the YAML library. Resolves aliases itself to limit their number and depth. */
export class Reader {
  readonly problems: Problem[] = []
  readonly warnings: Problem[] = []
  readonly unresolved: Place[] = []
  readonly #file: { readonly path: string; readonly text: string }
  readonly #lines: LineCounter
  readonly #sources: Sources | undefined
  readonly #contents: 'open' | 'secret'
  readonly #open = new Set<Node>()
  readonly #anchors = new Map<string, Node>()
  #depth = 0
  #nodes = 0
  #aliased = 0
  #withinAlias = 0

  constructor(
    file: { readonly path: string; readonly text: string },
    lines: LineCounter,
    sources: Sources | undefined,
    contents: 'open' | 'secret',
  ) {
    this.#file = file
    this.#lines = lines
    this.#sources = sources
    this.#contents = contents
  }

  /** Reads a node. `above` is the position of its key, which is used for collections and empty values. */
  read(node: Node | null, above: Place, path: Path): SourceNode {
    const place = node?.range ? this.#placeAt(node.range[0], path) : above
    this.#count(place)
    if (isAlias(node)) return this.#readAlias(node, place, above, path)
    if (node?.anchor !== undefined && this.#withinAlias === 0) this.#anchors.set(node.anchor, node)
    if (node?.tag !== undefined && !CORE_TAGS.has(node.tag)) this.problems.push(tagProblem(node.tag, place))
    if (isMap(node) || isSeq(node)) {
      if (++this.#depth > MAX_DEPTH) throw new LimitExceeded(inputProblem(place, 'file is nested too deeply', 'reduce the nesting'))
      const collection = isMap(node) ? this.#readMap(node, above, path) : this.#readList(node.items as (Node | null)[], above, path)
      this.#depth--
      return collection
    }
    if (!isScalar(node) || node.value === null) return { is: 'scalar', value: null, place: at(above, path) }
    return this.#readScalar(node, place, path)
  }

  /** Returns the position of the first character of a literal block: the lines of its text are lines of the file. */
  #blockAt({ type, range }: Scalar, place: Place): Place | undefined {
    if (type !== 'BLOCK_LITERAL' || range === undefined || range === null) return undefined
    const [, first = ''] = this.#file.text.slice(range[0], range[1]).split('\n')
    return { ...place, line: (place.line ?? 0) + 1, column: first.search(/\S|$/) + 1 }
  }

  #readScalar(scalar: Scalar, place: Place, path: Path): SourceNode {
    const { value, type, source = String(value) } = scalar
    if (typeof value === 'number' || typeof value === 'boolean') {
      // Secrets are text: the written digits count.
      if (typeof value === 'number' && this.#contents === 'open' && !isExact(source, value)) this.problems.push(inexact(source, place))
      return { is: 'scalar', value, place, written: source }
    }
    if (typeof value !== 'string') return this.#unresolved(place)
    const inset = type === 'PLAIN' ? 0 : type === 'QUOTE_SINGLE' || type === 'QUOTE_DOUBLE' ? 1 : undefined
    const block = this.#blockAt(scalar, place)
    const text = { is: 'scalar', place, ...(inset === undefined ? {} : { inset }), ...(block === undefined ? {} : { block }) } as const
    if (this.#sources === undefined) return { ...text, value }
    // The value of an anchor is read again for each alias.
    if (this.#withinAlias === 0) this.warnings.push(...templateWarnings(text, value, path))
    const resolved = resolveReferences(value, type === 'PLAIN', place, this.#sources)
    if ('value' in resolved) {
      this.warnings.push(...(resolved.warnings ?? []))
      const parts = resolved.parts === undefined ? {} : { parts: resolved.parts }
      return { ...text, ...parts, value: resolved.value, ...(typeof resolved.value === 'string' ? {} : { written: source }) }
    }
    if (resolved.problem !== undefined) this.problems.push(resolved.problem)
    return this.#unresolved(place)
  }

  /** Returns a placeholder for a value that could not be read. The problem was reported. */
  #unresolved(place: Place): SourceNode {
    this.unresolved.push(place)
    return { is: 'scalar', value: null, place }
  }

  #readList(nodes: readonly (Node | null)[], above: Place, path: Path): SourceNode {
    const items = nodes.map((item, i) => {
      const itemPath = [...path.slice(0, -1), `${path.at(-1) ?? ''}[${i}]`]
      return this.read(item, item?.range ? this.#placeAt(item.range[0], itemPath) : above, itemPath)
    })
    return { is: 'list', items, place: at(above, path) }
  }

  #readMap(map: YAMLMap, above: Place, path: Path): SourceNode {
    const place = at(above, path)
    const entries = new Map<string, SourceEntry>()
    const merged: [string, SourceEntry][] = []
    this.#open.add(map)
    for (const pair of map.items as Pair<Node | null, Node | null>[]) {
      const keyPlace = pair.key?.range ? this.#placeAt(pair.key.range[0], path) : place
      const key = isScalar(pair.key) ? keyText(pair.key) : undefined
      if (key === undefined || key === '') {
        this.problems.push(keyProblem(keyPlace, key))
        this.#open.delete(map)
        return this.#unresolved(keyPlace)
      }
      const keyPath = [...path, key]
      const entryPlace = at(keyPlace, keyPath)
      if (key === '<<') {
        merged.push(...this.#mergedEntries(pair.value, entryPlace, path))
        continue
      }
      const existing = entries.get(key)
      if (key === '__proto__') this.problems.push(inputProblem(entryPlace, 'key `__proto__` is not allowed', 'use another name'))
      else if (existing !== undefined) this.problems.push(duplicate(key, entryPlace, existing.key))
      else entries.set(key, { key: entryPlace, node: this.read(pair.value, entryPlace, keyPath) })
    }
    this.#open.delete(map)
    // Explicit keys win over merged ones, and earlier merged maps over later ones.
    for (const [key, entry] of merged) if (!entries.has(key)) entries.set(key, entry)
    return { is: 'map', entries, place }
  }

  #mergedEntries(value: Node | null, place: Place, path: Path): readonly [string, SourceEntry][] {
    const node = this.read(value, place, path)
    const maps = node.is === 'list' ? node.items : [node]
    if (!maps.every((map) => map.is === 'map')) {
      this.problems.push(inputProblem(place, 'value of `<<` is not a map', 'write `<<: *name`, where `&name` marks a map'))
    }
    return maps.flatMap((map) => (map.is === 'map' ? [...map.entries] : []))
  }

  #readAlias(alias: Alias, place: Place, above: Place, path: Path): SourceNode {
    const name = alias.source
    const target = this.#anchors.get(name)
    if (target === undefined) {
      this.problems.push(
        inputProblem(
          place,
          `alias \`*${shownName(name)}\` has no anchor above it`,
          `mark the value to repeat with \`&${shownName(name)}\`, or quote the text`,
        ),
      )
      return this.#unresolved(place)
    }
    if (this.#open.has(target))
      throw new LimitExceeded(inputProblem(place, `alias \`*${shownName(name)}\` contains itself`, 'replace the alias with its value'))
    this.#withinAlias++
    this.#open.add(target)
    const node = this.read(target, above, path)
    this.#open.delete(target)
    this.#withinAlias--
    return node
  }

  #count(place: Place): void {
    if (this.#withinAlias > 0) this.#aliased++
    // A long inventory may use an alias in every host. Aliases of aliases make far more values than the file has.
    const most = Math.max(MAX_ALIASED, MAX_ALIASED_EACH * (this.#nodes - this.#aliased))
    if (this.#aliased > most)
      throw new LimitExceeded(inputProblem(place, `aliases expand to more than ${most} values`, 'use fewer aliases'))
    if (++this.#nodes > MAX_NODES)
      throw new LimitExceeded(inputProblem(place, `file contains more than ${MAX_NODES} values`, 'split the file'))
  }

  #placeAt(offset: number, path: Path): Place {
    const { line, col } = this.#lines.linePos(offset)
    return at({ file: this.#file.path, line, column: col }, path)
  }
}

const at = (place: Place, path: Path): Place => (path.length === 0 ? place : { ...place, key: path.map(shownName).join('.') })

// `12:` and `true:` are text keys.
const keyText = (key: { readonly value: unknown; readonly source?: string }): string | undefined =>
  typeof key.value === 'string' ? key.value : key.value === null ? undefined : (key.source ?? String(key.value))

const duplicate = (key: string, place: Place, first: Place): Problem =>
  inputProblem(place, `\`${shownName(key)}\` is defined twice`, 'remove one of the two', `the first is on line ${first.line}`)

const keyProblem = (place: Place, key: string | undefined): Problem =>
  key === ''
    ? inputProblem(place, 'key is empty', 'add a name before the colon')
    : inputProblem(
        place,
        'key is not a single word',
        `quote the key; instead of \`{{ … }}\`, write \${vars.NAME} in \`resources\`, elsewhere an alias (\`&name\`, \`*name\`) or \${env:NAME}`,
      )

const inexact = (written: string, place: Place): Problem =>
  inputProblem(
    place,
    `number ${shownText(written)} has too many digits to be kept exactly`,
    `put it in quotes if it is text: '${shownText(written)}'`,
  )

const tagProblem = (tag: string, place: Place): Problem =>
  inputProblem(
    place,
    `tag \`${shownText(tag)}\` is not supported`,
    tag === '!vault' ? `move the value to secrets.yaml (\`provision secrets edit\`) and write \${secret:name} here` : 'remove the tag',
  )
