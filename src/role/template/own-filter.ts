import { isDict, isList, plain, type Value } from './value.ts'

/** Functions of nunjucks that read an attribute by name, or whose time is not in proportion to the text. */
export const OWN: ReadonlyMap<string, (given: readonly Value[]) => unknown> = new Map(
  Object.entries({
    join: ([list, separator = '', name]) => {
      if (!isList(list)) throw new TypeError('not a list')
      return list.map((item) => textOf(name === undefined ? item : attributeOf(item, name))).join(textOf(separator))
    },
    sum: ([list, name, start = 0]) => {
      const numbers = [start, ...(isList(list) ? list : [])].map((item, i) => plain(name && i > 0 ? attributeOf(item, name) : item))
      return isList(list) && numbers.every((one) => typeof one === 'number') ? numbers.reduce((one, other) => one + other) : undefined
    },
    trim: ([text]) => String(textOf(text)).trim(),
    string: ([value]) => textOf(value),
    selectattr: ([list, name, ...more]) => selected(list, name, more, true),
    rejectattr: ([list, name, ...more]) => selected(list, name, more, false),
  }),
)

/** Throws for an item that has no such attribute. */
const attributeOf = (item: Value, name: Value): Value => {
  if (isDict(item) && typeof name === 'string' && Object.hasOwn(item, name)) return item[name] ?? null
  throw new TypeError(`attribute "${name}" resolved to undefined`)
}

const textOf = (value: Value | undefined): string => {
  if (value === undefined || value === null || isList(value) || isDict(value)) throw new TypeError('not a text')
  return String(value)
}

const selected = (list: Value | undefined, name: Value | undefined, more: readonly Value[], wanted: boolean): unknown => {
  if (!isList(list) || typeof name !== 'string' || more.length > 0) throw new TypeError('selects by one name')
  return list.filter((item) => Boolean(isDict(item) && Object.hasOwn(item, name) && plain(item[name] ?? null)) === wanted)
}
