import { type Alias, isAlias, isMap, isScalar, isSeq, type LineCounter, type Node, type Pair, type YAMLMap } from 'yaml'
import type { Problem } from '../../problem.ts'
import { resolveReferences, type Sources } from '../reference/references.ts'
import { complaint, type Place } from '../source/complaint.ts'
import type { Written, WrittenEntry } from '../source/source-map.ts'

const DEEPEST = 40
const MOST_NODES = 100_000
const MOST_ALIASED = 10_000
const CORE_TAGS = new Set(['str', 'int', 'float', 'bool', 'null', 'map', 'seq'].map((name) => `tag:yaml.org,2002:${name}`))

/** The file holds more than any site needs: an alias bomb, endless nesting. Reading stops here. */
export class TooMuch extends Error {
  readonly problem: Problem
  constructor(problem: Problem) {
    super(problem.message)
    this.problem = problem
  }
}

type Path = readonly string[]

/** Turns the library's nodes into ours. Aliases are followed here, so that their number and depth can be bounded. */
export class Reader {
  readonly problems: Problem[] = []
  readonly warnings: Problem[] = []
  readonly unresolved: Place[] = []
  readonly #file: string
  readonly #lines: LineCounter
  readonly #sources: Sources | undefined
  readonly #open = new Set<Node>()
  readonly #anchors = new Map<string, Node>()
  #depth = 0
  #nodes = 0
  #aliased = 0
  #withinAlias = 0

  constructor(file: string, lines: LineCounter, sources: Sources | undefined) {
    this.#file = file
    this.#lines = lines
    this.#sources = sources
  }

  /** `above` is where the key stands: the place of collections and of what was left empty. */
  read(node: Node | null, above: Place, path: Path): Written {
    const place = node?.range ? this.#placeAt(node.range[0], path) : above
    this.#count(place)
    if (isAlias(node)) return this.#readAlias(node, place, above, path)
    if (node?.anchor !== undefined && this.#withinAlias === 0) this.#anchors.set(node.anchor, node)
    if (node?.tag !== undefined && !CORE_TAGS.has(node.tag)) this.problems.push(tagProblem(node.tag, place))
    if (isMap(node) || isSeq(node)) {
      if (++this.#depth > DEEPEST) throw new TooMuch(complaint(place, 'this file is nested too deeply', 'write it flatter'))
      const collection = isMap(node) ? this.#readMap(node, above, path) : this.#readList(node.items as (Node | null)[], above, path)
      this.#depth--
      return collection
    }
    if (!isScalar(node) || node.value === null) return { is: 'scalar', value: null, place: at(above, path) }
    return this.#readScalar(node.value, node.type, place)
  }

  #readScalar(value: unknown, type: string | undefined, place: Place): Written {
    if (typeof value !== 'string')
      return { is: 'scalar', value: typeof value === 'bigint' ? Number(value) : (value as number | boolean), place }
    const inset = type === 'PLAIN' ? 0 : type === 'QUOTE_SINGLE' || type === 'QUOTE_DOUBLE' ? 1 : undefined
    const text = { is: 'scalar', place, ...(inset === undefined ? {} : { inset }) } as const
    if (this.#sources === undefined) return { ...text, value }
    const resolved = resolveReferences(value, type === 'PLAIN', place, this.#sources)
    if ('value' in resolved) {
      this.warnings.push(...(resolved.warnings ?? []))
      return { ...text, value: resolved.value }
    }
    if (resolved.problem !== undefined) this.problems.push(resolved.problem)
    return this.#unresolved(place)
  }

  /** Stands for what could not be read, which was reported. */
  #unresolved(place: Place): Written {
    this.unresolved.push(place)
    return { is: 'scalar', value: null, place }
  }

  #readList(nodes: readonly (Node | null)[], above: Place, path: Path): Written {
    const items = nodes.map((item, i) => {
      const itemPath = [...path.slice(0, -1), `${path.at(-1) ?? ''}[${i}]`]
      return this.read(item, item?.range ? this.#placeAt(item.range[0], itemPath) : above, itemPath)
    })
    return { is: 'list', items, place: at(above, path) }
  }

  #readMap(map: YAMLMap, above: Place, path: Path): Written {
    const place = at(above, path)
    const entries = new Map<string, WrittenEntry>()
    const merged: [string, WrittenEntry][] = []
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
      const under = at(keyPlace, keyPath)
      if (key === '<<') {
        merged.push(...this.#mergedEntries(pair.value, under, path))
        continue
      }
      const before = entries.get(key)
      if (key === '__proto__') this.problems.push(complaint(under, '`__proto__` cannot be a key', 'choose another name'))
      else if (before !== undefined) this.problems.push(duplicate(key, under, before.key))
      else entries.set(key, { key: under, node: this.read(pair.value, under, keyPath) })
    }
    this.#open.delete(map)
    // What is written here wins over what is merged in, and the first of several merged maps over the next.
    for (const [key, entry] of merged) if (!entries.has(key)) entries.set(key, entry)
    return { is: 'map', entries, place }
  }

  #mergedEntries(value: Node | null, place: Place, path: Path): readonly [string, WrittenEntry][] {
    const node = this.read(value, place, path)
    const maps = node.is === 'list' ? node.items : [node]
    if (!maps.every((map) => map.is === 'map')) {
      this.problems.push(complaint(place, '`<<` merges maps only', 'write `<<: *name`, where `&name` marks a map'))
    }
    return maps.flatMap((map) => (map.is === 'map' ? [...map.entries] : []))
  }

  #readAlias(alias: Alias, place: Place, above: Place, path: Path): Written {
    const name = alias.source
    const target = this.#anchors.get(name)
    if (target === undefined) {
      this.problems.push(
        complaint(
          place,
          `\`*${name}\` refers to nothing above it`,
          `mark what it shall repeat with \`&${name}\`, or put the text in quotes`,
        ),
      )
      return this.#unresolved(place)
    }
    if (this.#open.has(target)) throw new TooMuch(complaint(place, `\`*${name}\` contains itself`, 'write out what you mean'))
    this.#withinAlias++
    this.#open.add(target)
    const node = this.read(target, above, path)
    this.#open.delete(target)
    this.#withinAlias--
    return node
  }

  #count(place: Place): void {
    if (this.#withinAlias > 0) this.#aliased++
    if (this.#aliased > MOST_ALIASED)
      throw new TooMuch(complaint(place, `aliases (\`*name\`) repeat more than ${MOST_ALIASED} values`, 'use fewer aliases'))
    if (++this.#nodes > MOST_NODES)
      throw new TooMuch(complaint(place, `this file holds more than ${MOST_NODES} values`, 'split it into several files'))
  }

  #placeAt(offset: number, path: Path): Place {
    const { line, col } = this.#lines.linePos(offset)
    return at({ file: this.#file, line, column: col }, path)
  }
}

const at = (place: Place, path: Path): Place => (path.length === 0 ? place : { ...place, key: path.join('.') })

// `12:` and `true:` are keys like any other: what stands in the file is what was meant.
const keyText = (key: { readonly value: unknown; readonly source?: string }): string | undefined =>
  typeof key.value === 'string' ? key.value : key.value === null ? undefined : (key.source ?? String(key.value))

const duplicate = (key: string, place: Place, first: Place): Problem =>
  complaint(place, `\`${key}\` is written twice`, 'keep one of the two', `the first is in line ${first.line}`)

const keyProblem = (place: Place, key: string | undefined): Problem =>
  key === ''
    ? complaint(place, 'a key is empty', 'write a name before the colon')
    : complaint(
        place,
        'a key must be one word',
        `put it in quotes; \`{{ … }}\` has no meaning here, use an alias (\`&name\`, \`*name\`) or \${env:NAME}`,
      )

const tagProblem = (tag: string, place: Place): Problem =>
  complaint(
    place,
    `the tag \`${tag}\` has no meaning here`,
    tag === '!vault' ? `put the value into secrets.yaml (\`provision secrets edit\`) and write \${secret:name} here` : 'remove it',
  )
