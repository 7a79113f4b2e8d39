import { isSecret } from '../../secret/secret.ts'
import { type Frame, faultAt } from './frame.ts'
import type { Node } from './nunjucks.ts'
import { isDict, isList, typeName, type Value } from './value.ts'

/** The names of a loop, and their values in each round. */
export interface Loop {
  readonly names: readonly string[]
  readonly given: readonly (readonly Value[])[]
}

/** Returns the rounds of a loop over a list, or over the keys and values of a map. */
export const items = (loop: {
  readonly value: Value
  readonly names: readonly string[]
  readonly at: Node
  readonly frame: Frame
}): Loop => {
  const { value, names, at, frame } = loop
  if (isDict(value)) {
    if (names.length > 2) throw faultAt(frame, at, 'loop over a map has more than two names', 'write `for key, value in …`')
    return { names, given: Object.entries(value) }
  }
  if (!isList(value)) {
    const fix = isSecret(value) ? 'name a list; a secret can only be printed' : 'name a list or a map'
    throw faultAt(frame, at, `loop is over ${typeName(value)}`, fix)
  }
  if (names.length === 1) return { names, given: value.map((item) => [item]) }
  return {
    names,
    given: value.map((item) => {
      if (isList(item) && item.length === names.length) return item
      throw faultAt(
        frame,
        at,
        `loop has ${names.length} names for an item that is ${typeName(item)}`,
        'use one name, and name its parts: `item.NAME`',
      )
    }),
  }
}
