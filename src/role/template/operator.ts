import { isDeepStrictEqual } from 'node:util'
import { isSecret } from '../../secret/secret.ts'
import { count, existing, type Frame, faultAt, MAX_ITEMS } from './frame.ts'
import type { Position } from './nunjucks.ts'
import { isDict, isList, isOpaque, Macro, plain, typeName, type Value } from './value.ts'

/** Whether a value counts as true, as in Python: empty text, an empty list or map, 0 and none do not. */
export const isTrue = (frame: Frame, at: Position, given: Value): boolean => {
  const value = plain(existing(given))
  refuseHidden(frame, at, value, 'a condition cannot test')
  if (isList(value)) return value.length > 0
  if (isDict(value)) return Object.keys(value).length > 0
  return Boolean(value)
}

/** Refuses a value whose text may not influence the rest: a secret, or one that is made in the run. */
export const refuseHidden = (frame: Frame, at: Position, value: Value, where: string): void => {
  if (isSecret(value) || isOpaque(value))
    throw faultAt(frame, at, `value is ${typeName(value)}, which ${where}`, 'test whether it `is defined`, or use another value')
}

export const isEqual = (one: Value, other: Value): boolean => isDeepStrictEqual(comparable(one), comparable(other))

const comparable = (value: Value): unknown => {
  if (isList(value)) return value.map(comparable)
  if (isDict(value)) return Object.fromEntries(Object.entries(value).map(([key, inner]) => [`.${key}`, comparable(inner)]))
  return plain(value)
}

const hasHidden = (value: Value): boolean =>
  isSecret(value) || isOpaque(value) || (isList(value) && value.some(hasHidden)) || (isDict(value) && Object.values(value).some(hasHidden))

/** Compares two values. Order is that of numbers, or of texts. */
export const compare = (frame: Frame, at: Position, [left, operator, right]: readonly [Value, string, Value]): boolean => {
  for (const value of [left, right])
    if (hasHidden(value)) throw faultAt(frame, at, 'a comparison has a secret', 'compare other values; a secret can only be printed')
  const [one, other] = [plain(left), plain(right)]
  if (operator === '==' || operator === '===') return isEqual(left, right)
  if (operator === '!=' || operator === '!==') return !isEqual(left, right)
  const ordered = (typeof one === 'number' && typeof other === 'number') || (typeof one === 'string' && typeof other === 'string')
  if (!ordered)
    throw faultAt(
      frame,
      at,
      `\`${operator}\` compares ${typeName(left)} with ${typeName(right)}`,
      'convert one of them, for example with the filter `int`',
    )
  if (operator === '<') return one < other
  if (operator === '>') return one > other
  return operator === '<=' ? one <= other : one >= other
}

/** Whether a list has a value, a text another text, a map a key. */
export const isIn = (frame: Frame, at: Position, value: Value, container: Value): boolean => {
  if (hasHidden(value) || isSecret(container))
    throw faultAt(frame, at, '`in` has a secret', 'compare other values; a secret can only be printed')
  if (isList(container)) return container.some((item) => !hasHidden(item) && isEqual(item, value))
  if (isDict(container)) return Object.hasOwn(container, textKey(value))
  if (typeof container === 'string' && typeof value === 'string') return container.includes(value)
  throw faultAt(frame, at, `\`in\` looks for ${typeName(value)} in ${typeName(container)}`, 'name a list, a map or a text')
}

export const textKey = (value: Value): string => (typeof value === 'string' ? value : String(plain(value)))

/** Calculates. Texts and lists can be added too. */
export const calculate = (frame: Frame, at: Position, operator: string, values: readonly [Value, Value]): Value => {
  const [one, other] = [plain(values[0]), plain(values[1])]
  if (operator === 'Add' && typeof one === 'string' && typeof other === 'string') {
    count(frame, at, one.length + other.length)
    return one + other
  }
  if (operator === 'Add' && isList(one) && isList(other)) {
    if (one.length + other.length > MAX_ITEMS) throw faultAt(frame, at, `list has more than ${MAX_ITEMS} items`, 'use shorter lists')
    return [...one, ...other]
  }
  if (typeof one !== 'number' || typeof other !== 'number') {
    const fix = operator === 'Add' ? 'join texts with `~`, or convert text with the filter `int`' : 'convert text with the filter `int`'
    throw faultAt(frame, at, `calculation has ${typeName(values[0])} and ${typeName(values[1])}`, fix)
  }
  const result = (CALCULATIONS[operator] ?? (() => Number.NaN))(one, other)
  if (!Number.isFinite(result))
    throw faultAt(frame, at, 'calculation has no finite result', 'check the divisor and the size of the numbers')
  return result
}

const CALCULATIONS: Readonly<Record<string, (one: number, other: number) => number>> = {
  Add: (one, other) => one + other,
  Sub: (one, other) => one - other,
  Mul: (one, other) => one * other,
  Div: (one, other) => one / other,
  FloorDiv: (one, other) => Math.floor(one / other),
  Mod: (one, other) => one % other,
  Pow: (one, other) => one ** other,
}

/** Returns what a value prints: text, or a secret. Throws a `Problem` for a list, a map and an empty value. */
export const printed = (frame: Frame, at: Position, given: Value): Exclude<Value, boolean | number | null> => {
  const value = existing(given)
  if (typeof value === 'string' || isSecret(value) || isOpaque(value)) return value
  if (value !== null && !isList(value) && !isDict(value) && !(value instanceof Macro)) return String(value)
  const fix = isList(value)
    ? "print its items: `{% for item in … %}`, or `join(', ')`"
    : isDict(value)
      ? 'name one of its values, or print it as JSON with `dump`'
      : value === null
        ? 'set it, or write `or` with another value'
        : 'call it with arguments in parentheses'
  throw faultAt(frame, at, `value is ${typeName(value)}, which cannot be printed`, fix)
}
