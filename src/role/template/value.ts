import type { Later, Text } from '../../resource/kind/content.ts'
import { isSecret, type Secret } from '../../secret/secret.ts'
import type { Place } from '../../site/source/input-problem.ts'
import type { SourceNode } from '../../site/source/source-map.ts'

/** A map of a template, without a prototype. */
export interface Dict {
  readonly [name: string]: Value
}

export type Value = string | number | boolean | null | Written | Secret | Later | Text | Macro | Missing | readonly Value[] | Dict

/** A macro, or another function of a template. Templates call nothing else. */
export class Macro {
  readonly call: (given: Arguments) => Value
  constructor(call: (given: Arguments) => Value) {
    this.call = call
  }
}

/** The arguments of a call. */
export interface Arguments {
  readonly positional: readonly Value[]
  readonly named: ReadonlyMap<string, Value>
  readonly at: Place
}

/** A number or another value that the file has in another form: `1.10` of 1.1. It is printed in that form. */
export class Written {
  readonly value: number | boolean
  readonly written: string
  constructor(value: number | boolean, written: string) {
    this.value = value
    this.written = written
  }
  valueOf(): number | boolean {
    return this.value
  }
  toString(): string {
    return this.written
  }
  toJSON(): number | boolean {
    return this.value
  }
}

/** A name without a value. Printing it is an error; `default` and `is defined` accept it. */
export class Missing {
  readonly place: Place
  readonly what: string
  readonly fix: string
  constructor(place: Place, what: string, fix: string) {
    this.place = place
    this.what = what
    this.fix = fix
  }
}

export const plain = <T>(value: T): Exclude<T, Written> | number | boolean =>
  value instanceof Written ? value.value : (value as Exclude<T, Written>)

export const isList = (value: unknown): value is readonly Value[] => Array.isArray(value)

const isLater = (value: object): value is Later => 'later' in value && typeof (value as { get?: unknown }).get === 'function'
const isText = (value: object): value is Text => 'type' in value && value.type === 'text' && Array.isArray((value as Partial<Text>).parts)

/** A value that can only be printed: a text with parts, or one that is made in the run. It is no map of the user: those have no functions. */
export const isOpaque = (value: unknown): value is Later | Text =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) !== null && (isLater(value) || isText(value))

export const isDict = (value: unknown): value is Dict =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === null

export const dictOf = (entries: Iterable<readonly [string, Value]>): Dict => {
  const dict = Object.create(null)
  for (const [name, value] of entries) dict[name] = value
  return dict
}

/** The kind of a value, in messages. */
export const typeName = (value: unknown): string => {
  if (value instanceof Missing) return 'undefined'
  if (value === null) return 'empty'
  if (isSecret(value)) return 'a secret'
  if (isOpaque(value)) return 'text that is made in this run'
  if (isList(value)) return 'a list'
  if (value instanceof Macro) return 'a macro'
  if (isDict(value)) return 'a map'
  return { string: 'text', number: 'a number', boolean: 'true or false' }[typeof plain(value) as string] ?? 'nothing'
}

const converted = new WeakMap<SourceNode, Value>()

/** Returns the value of a node of a YAML file. */
export const fromNode = (node: SourceNode): Value => {
  const known = converted.get(node)
  if (known !== undefined) return known
  const value = convert(node)
  converted.set(node, value)
  return value
}

const convert = (node: SourceNode): Value => {
  if (node.is === 'list') return node.items.map(fromNode)
  if (node.is === 'map') return dictOf([...node.entries].map(([key, entry]) => [key, fromNode(entry.node)]))
  const { value, written, parts } = node
  const isOther = (typeof value === 'number' || typeof value === 'boolean') && parts === undefined && written !== undefined
  return isOther && written !== String(value) ? new Written(value, written) : value
}

/** Returns a value of a role. Throws a TypeError with the path of a value that templates cannot use; undefined ones are left out. */
export const fromPlain = (value: unknown, path: string): Value => {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || isSecret(value)) return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (Array.isArray(value)) return value.map((item, i) => fromPlain(item, `${path}[${i}]`))
  if (typeof value === 'object' && (isLater(value) || isText(value))) return value
  const prototype = typeof value === 'object' ? Object.getPrototypeOf(value) : undefined
  if (typeof value !== 'object' || (prototype !== Object.prototype && prototype !== null))
    throw new TypeError(`${path} of a template is ${typeof value === 'object' ? 'an object of a class' : `a ${typeof value}`}`)
  return dictOf(
    Object.entries(value).flatMap(([key, inner]) => (inner === undefined ? [] : [[key, fromPlain(inner, `${path}.${key}`)] as const])),
  )
}
