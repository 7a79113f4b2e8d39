import { isSecret, Secret, secretsIn } from '../../secret/secret.ts'
import { shownText } from '../../shown-name.ts'
import { suggestion } from '../../site/source/suggest.ts'
import { count, existing, type Frame, faultAt, MAX_ITEMS } from './frame.ts'
import { argumentsOf } from './function.ts'
import { type Node, nunjucks, type Position } from './nunjucks.ts'
import { isTrue } from './operator.ts'
import { OWN } from './own-filter.ts'
import { dictOf, isDict, isList, isOpaque, Missing, plain, typeName, type Value } from './value.ts'

type Evaluate = (node: Node, frame: Frame) => Value

/** Filters that are not those of nunjucks, each with what to write. `random` would give every run another result. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ['random', 'a template gives the same result in every run; choose the value in the inventory'],
  ['map', "print attributes with `join(', ', 'NAME')`, or write a loop"],
  ['to_json', 'write `dump`'],
  ['to_nice_json', 'write `dump(2)`'],
  ['dict2items', 'write `for key, value in MAP`'],
  ['ternary', 'write `A if CONDITION else B`'],
  ['bool', 'write true or false in the inventory'],
  ['mandatory', 'remove it; a name that does not exist is an error'],
  ['regex_replace', 'replace text with `replace(old, new)`'],
  ['quote', 'write the quotes in the template'],
])

/** Parameters after the value, for arguments with names. */
const PARAMETERS: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    batch: ['linecount', 'fill_with'],
    center: ['width'],
    d: ['default_value', 'boolean'],
    default: ['default_value', 'boolean'],
    dictsort: ['case_sensitive', 'by'],
    dump: ['indent'],
    float: ['default'],
    groupby: ['attribute'],
    indent: ['width', 'first'],
    int: ['default', 'base'],
    join: ['d', 'attribute'],
    replace: ['old', 'new', 'count'],
    round: ['precision', 'method'],
    slice: ['slices', 'fill_with'],
    sort: ['reverse', 'case_sensitive', 'attribute'],
    sum: ['attribute', 'start'],
    truncate: ['length', 'killwords', 'end'],
  }),
)

/** Filters of text that accept a secret. The result is a secret. */
const OF_SECRETS = new Set(
  'capitalize center dump e escape forceescape indent join lower nl2br replace safe string striptags title trim upper urlencode'.split(' '),
)

/** Filters whose number makes text or lists of that size. */
const SIZED = new Set(['batch', 'center', 'dump', 'indent', 'slice'])
const MAX_SIZE = 1000

/** Applies a filter. */
export const filtered = (node: Node, frame: Frame, evaluate: Evaluate): Value => {
  const at = node.name as Node
  const name = String(at.value)
  const { positional, named } = argumentsOf(node.args as Node, frame, evaluate)
  const [subject = null, ...others] = positional
  const values = [...others.map(existing)]
  for (const [key, value] of named) values[positionOf(name, key, frame, at)] = existing(value)
  if (name === 'default' || name === 'd') return withDefault(subject, values, frame, at)
  const value = existing(subject)
  const refused = REFUSED.get(name)
  const { filters } = nunjucks()
  const filter = Object.hasOwn(filters, name) ? filters[name] : undefined
  if (filter === undefined || refused !== undefined)
    throw faultAt(
      frame,
      at,
      `unknown filter \`${shownText(name)}\``,
      refused ?? suggestion(name, Object.keys(filters), 'use a filter of nunjucks'),
    )
  checkSizes(name, [value, ...values], frame, at)
  const given = [value, ...values]
  const isHidden = secretsIn(given).length > 0
  if (given.some(isOpaque)) throw faultAt(frame, at, `filter \`${name}\` has text that is made in this run`, 'print it without a filter')
  if (given.some(isSecret) && !OF_SECRETS.has(name))
    throw faultAt(
      frame,
      at,
      `filter \`${name}\` has a secret`,
      'print the secret without it; filters of text, such as `urlencode`, are possible',
    )
  if (!isHidden || !OF_SECRETS.has(name)) return applied(name, given, frame, at)
  const result = applied(name, given.map(revealed), frame, at)
  return new Secret(String(result), !isSecret(value))
}

const positionOf = (filter: string, key: string, frame: Frame, at: Position): number => {
  const known = PARAMETERS.get(filter) ?? []
  const position = known.indexOf(key)
  if (position < 0)
    throw faultAt(
      frame,
      at,
      `filter \`${shownText(filter)}\` has no argument \`${shownText(key)}\``,
      suggestion(key, known, 'remove the name'),
    )
  return position
}

/** The default for a missing value; with a second argument, also for one that counts as false. */
const withDefault = (subject: Value, [value = '', always = false]: readonly Value[], frame: Frame, at: Position): Value => {
  if (subject instanceof Missing) return value
  if (isSecret(subject) || isOpaque(subject) || !isTrue(frame, at, always)) return subject
  return isTrue(frame, at, subject) ? subject : value
}

const checkSizes = (name: string, values: readonly Value[], frame: Frame, at: Position): void => {
  const size = SIZED.has(name) ? plain(values[1] ?? null) : null
  if (typeof size === 'number' && !(size >= 0 && size <= MAX_SIZE))
    throw faultAt(frame, at, `filter \`${name}\` has the size ${size}`, `use a number from 0 to ${MAX_SIZE}`)
  const [text = null, old = null, by = null] = values.map((one) => (isSecret(one) ? one.reveal() : one))
  if (name === 'replace' && typeof text === 'string') {
    const times = old === '' ? text.length + 1 : text.split(String(old)).length - 1
    count(frame, at, text.length + times * String(by).length)
  }
  if (name === 'join' && isList(text)) count(frame, at, text.length * String(old ?? '').length)
}

const revealed = (value: Value): Value => {
  if (isSecret(value)) return value.reveal()
  if (isList(value)) return value.map(revealed)
  return isDict(value) ? dictOf(Object.entries(value).map(([key, inner]) => [key, revealed(inner)])) : value
}

/** Runs a filter of nunjucks on values without a prototype chain, and checks what it returned. */
const applied = (name: string, given: readonly Value[], frame: Frame, at: Position): Value => {
  const { filters, tests } = nunjucks()
  const env = { getTest: (test: string) => tests[test], opts: { throwOnUndefined: true } }
  const subject = given[0] ?? null
  const wrong = (error?: unknown): never => {
    const [, attribute] = /attribute "(.*)" resolved to undefined/.exec(error instanceof Error ? error.message : '') ?? []
    if (attribute !== undefined) throw faultAt(frame, at, `an item has no \`${shownText(attribute)}\``, 'correct the name, or set it')
    const type = subject === null ? 'an empty value' : typeName(subject)
    throw faultAt(frame, at, `filter \`${name}\` cannot be used on ${type}`, 'correct the value, or the arguments of the filter')
  }
  if (subject === null && name !== 'dump') wrong()
  let result: unknown
  try {
    result = OWN.has(name) ? OWN.get(name)?.(given) : filters[name]?.apply({ env }, given.map(plain))
  } catch (error) {
    wrong(error)
  }
  if (result === undefined || (typeof result === 'number' && !Number.isFinite(result))) return wrong()
  const value = asValue(result)
  if (value === undefined) return wrong()
  if (typeof value === 'string') count(frame, at, value.length)
  if (isList(value) && value.length > MAX_ITEMS) throw faultAt(frame, at, `list has more than ${MAX_ITEMS} items`, 'use a shorter list')
  return value
}

/** A result of nunjucks as a value: its marked strings are text, its objects maps. */
const asValue = (result: unknown): Value | undefined => {
  if (typeof result === 'object' && result !== null && !isList(result) && !isSecret(result) && !isDict(result)) {
    if (Object.getPrototypeOf(result) === Object.prototype) return dictOf(Object.entries(result) as [string, Value][])
    return String(result)
  }
  return typeof result === 'function' || typeof result === 'symbol' ? undefined : (result as Value)
}
