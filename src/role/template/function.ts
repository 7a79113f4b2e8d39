import { type Frame, faultAt, MAX_ITEMS } from './frame.ts'
import type { Node, Position } from './nunjucks.ts'
import { placeIn } from './syntax.ts'
import { type Arguments, plain, type Value } from './value.ts'

/** Evaluates the arguments of a call or filter. */
export const argumentsOf = (list: Node, frame: Frame, evaluate: (node: Node, frame: Frame) => Value): Arguments => {
  const all = list.children ?? []
  const named = all.filter(({ typename }) => typename === 'KeywordArgs').flatMap(({ children = [] }) => children)
  return {
    positional: all.filter(({ typename }) => typename !== 'KeywordArgs').map((node) => evaluate(node, frame)),
    named: new Map(named.map((pair) => [String((pair.key as Node).value), evaluate(pair.value as Node, frame)])),
    at: placeIn(frame.template.path, list),
  }
}

type Builtin = (given: Arguments, frame: Frame, at: Position) => Value

/** `range(stop)`, `range(start, stop, step)`. */
const range: Builtin = ({ positional }, frame, at) => {
  const numbers = positional.map(plain)
  const [first = 0, second, step = 1] = numbers
  const [start, stop] = second === undefined ? [0, first] : [first, second]
  const isInteger = [start, stop, step].every((one) => Number.isInteger(one))
  if (!isInteger || step === 0 || numbers.length === 0)
    throw faultAt(frame, at, '`range` needs whole numbers', 'write `range(STOP)` or `range(START, STOP, STEP)`')
  const length = Math.max(0, Math.ceil((Number(stop) - Number(start)) / Number(step)))
  if (length > MAX_ITEMS) throw faultAt(frame, at, `range has more than ${MAX_ITEMS} numbers`, 'use a smaller one')
  return Array.from({ length }, (_, i) => Number(start) + i * Number(step))
}

/** Functions that every template has. */
export const FUNCTIONS: ReadonlyMap<string, Builtin> = new Map([['range', range]])
