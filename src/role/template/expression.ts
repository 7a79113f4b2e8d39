import { isSecret, Secret } from '../../secret/secret.ts'
import { shownText } from '../../shown-name.ts'
import { nearest } from '../../site/source/suggest.ts'
import { filtered } from './filter.ts'
import { count, existing, type Frame, faultAt, step } from './frame.ts'
import { argumentsOf, FUNCTIONS } from './function.ts'
import { tested } from './is.ts'
import type { Node } from './nunjucks.ts'
import { calculate, compare, isIn, isTrue, printed, textKey } from './operator.ts'
import { placeIn } from './syntax.ts'
import { dictOf, isDict, isList, isOpaque, Macro, Missing, plain, typeName, type Value } from './value.ts'

/** Evaluates an expression. A name without a value is `Missing`: only some operations accept it. */
export const evaluate = (node: Node, frame: Frame): Value => {
  step(frame, node)
  const act = EXPRESSIONS[node.typename]
  if (act === undefined) throw faultAt(frame, node, `expression \`${node.typename}\` is not supported`, 'write it in another way')
  return act(node, frame)
}

/** Evaluates an expression that must have a value. */
export const required = (node: Node, frame: Frame): Exclude<Value, Missing> => existing(evaluate(node, frame))

type Evaluation = (node: Node, frame: Frame) => Value

const field = (node: Node, name: string): Node => node[name] as Node
const childrenOf = (node: Node): readonly Node[] => node.children ?? []

const symbol: Evaluation = (node, frame) => {
  const name = String(node.value)
  const found = frame.scope.get(name)
  if (found !== undefined) return found
  const given = frame.given.get(name)
  if (given !== undefined) return given()
  const constant = CONSTANTS.get(name)
  if (constant !== undefined) return constant
  const values = frame.given.get('values')?.()
  const near = nearest(name, frame.given.keys())
  const fix =
    isDict(values) && Object.hasOwn(values, name)
      ? `write \`values.${name}\``
      : near !== undefined
        ? `did you mean \`${near}\`?`
        : `use a name that exists: ${[...frame.given.keys()].join(', ')}`
  return new Missing(placeIn(frame.template.path, node), `\`${shownText(name)}\` does not exist`, fix)
}

/** As Python writes them. */
const CONSTANTS: ReadonlyMap<string, Value> = new Map<string, Value>([
  ['True', true],
  ['False', false],
  ['None', null],
])

const lookup: Evaluation = (node, frame) => {
  const target = evaluate(field(node, 'target'), frame)
  if (target instanceof Missing) return target
  const at = field(node, 'val')
  const key = required(at, frame)
  if (isSecret(key)) throw faultAt(frame, at, 'key is a secret', 'use another key')
  const value = memberOf(target, key)
  if (value !== undefined) return value
  const shown = shownText(textKey(key))
  const name = nameOf(field(node, 'target'))
  const what = isDict(target) ? `${name} has no \`${shown}\`` : `${name} is ${typeName(target)}, and has no \`${shown}\``
  const near = isDict(target) ? nearest(shown, Object.keys(target)) : undefined
  const declared = name === '`vars`' ? 'set it under `vars` in the inventory' : 'correct the name, or set it'
  return new Missing(placeIn(frame.template.path, at), what, near === undefined ? declared : `did you mean \`${near}\`?`)
}

/** Own entries only: nothing of JavaScript can be reached. */
const memberOf = (target: Value, key: Value): Value | undefined => {
  if (isDict(target)) return Object.hasOwn(target, textKey(key)) ? target[textKey(key)] : undefined
  const index = plain(key)
  if (!Number.isInteger(index)) return undefined
  return isList(target) || typeof target === 'string' ? target.at(Number(index)) : undefined
}

/** The names of an expression such as `vars.shop`, for messages. */
const nameOf = (node: Node): string => {
  const path = pathOf(node)
  return path === undefined ? 'value' : `\`${shownText(path)}\``
}

const pathOf = (node: Node): string | undefined => {
  if (node.typename === 'Symbol') return String(node.value)
  const [target, val] = [node.target, node.val] as readonly (Node | undefined)[]
  if (node.typename !== 'LookupVal' || target === undefined || val?.typename !== 'Literal') return undefined
  const above = pathOf(target)
  return above === undefined ? undefined : `${above}.${String(val.value)}`
}

const call: Evaluation = (node, frame) => {
  const name = field(node, 'name')
  const given = argumentsOf(field(node, 'args'), frame, required)
  if (name.typename === 'Symbol' && frame.scope.get(String(name.value)) === undefined) {
    const builtin = FUNCTIONS.get(String(name.value))
    if (builtin !== undefined) return builtin(given, frame, name)
  }
  const target = evaluate(name, frame)
  if (target instanceof Macro) return target.call(given)
  if (name.typename === 'LookupVal' && !(target instanceof Macro)) {
    const method = String(field(name, 'val').value)
    throw faultAt(
      frame,
      field(name, 'val'),
      `template calls the method \`${shownText(method)}\``,
      METHODS.get(method) ?? 'use a filter or a test',
    )
  }
  if (target instanceof Missing)
    throw faultAt(frame, name, `${nameOf(name)} is not a function`, 'use a macro of the template, `range`, or a filter')
  throw faultAt(frame, name, `${nameOf(name)} is ${typeName(target)}, and cannot be called`, 'remove the parentheses')
}

const KEYS = 'write `for key, value in MAP`'
const METHODS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ...{ items: KEYS, keys: KEYS, values: KEYS, get: 'write `MAP.NAME | default(…)`' },
    ...{ join: "write `LIST | join(', ')`", upper: 'write `| upper`', lower: 'write `| lower`', strip: 'write `| trim`' },
    ...{ replace: 'write `| replace(…)`', title: 'write `| title`', append: 'write `LIST + [ITEM]`' },
  }),
)

const binary: Evaluation = (node, frame) =>
  calculate(frame, node, node.typename, [required(field(node, 'left'), frame), required(field(node, 'right'), frame)])

const concat: Evaluation = (node, frame) => {
  const parts = [field(node, 'left'), field(node, 'right')].map((side) => printed(frame, side, evaluate(side, frame)))
  if (parts.some(isOpaque))
    return { type: 'text', parts: parts.flatMap((part) => (isOpaque(part) && 'parts' in part ? part.parts : [part as string])) }
  const text = parts.map((part) => (isSecret(part) ? part.reveal() : String(part))).join('')
  count(frame, node, text.length)
  return parts.some(isSecret) ? new Secret(text, true) : text
}

/** The value that decides, as in Python. */
const either =
  (decides: boolean): Evaluation =>
  (node, frame) => {
    const left = required(field(node, 'left'), frame)
    return isTrue(frame, field(node, 'left'), left) === decides ? left : required(field(node, 'right'), frame)
  }

const comparison: Evaluation = (node, frame) => {
  let left = required(field(node, 'expr'), frame)
  for (const operand of node.ops as readonly Node[]) {
    const right = required(field(operand, 'expr'), frame)
    if (!compare(frame, operand, [left, String(operand.type), right])) return false
    left = right
  }
  return true
}

const dict: Evaluation = (node, frame) =>
  dictOf(
    childrenOf(node).map((pair) => {
      const key = field(pair, 'key')
      const name = key.typename === 'Symbol' ? String(key.value) : required(key, frame)
      if (isSecret(name)) throw faultAt(frame, key, 'key is a secret', 'use another key')
      return [textKey(name), required(field(pair, 'value'), frame)] as const
    }),
  )

const literal: Evaluation = ({ value, ...node }, frame) => {
  if (value instanceof RegExp) throw faultAt(frame, node, 'regular expressions are not supported', 'replace text, with `replace(old, new)`')
  return value as Value
}

const inlineIf: Evaluation = (node, frame) => {
  if (isTrue(frame, field(node, 'cond'), evaluate(field(node, 'cond'), frame))) return evaluate(field(node, 'body'), frame)
  return node.else_ === null ? '' : evaluate(field(node, 'else_'), frame)
}

const sign =
  (factor: number): Evaluation =>
  (node, frame) => {
    const value = required(field(node, 'target'), frame)
    return calculate(frame, node, 'Mul', [factor, value])
  }

const group: Evaluation = (node, frame) => {
  const [only, ...more] = childrenOf(node)
  if (only === undefined || more.length > 0) return childrenOf(node).map((item) => required(item, frame))
  return evaluate(only, frame)
}

const EXPRESSIONS: Readonly<Record<string, Evaluation>> = {
  Literal: literal,
  Symbol: symbol,
  LookupVal: lookup,
  FunCall: call,
  Group: group,
  Array: (node, frame) => childrenOf(node).map((item) => required(item, frame)),
  Dict: dict,
  Or: either(true),
  And: either(false),
  Not: (node, frame) => !isTrue(frame, field(node, 'target'), evaluate(field(node, 'target'), frame)),
  In: (node, frame) => isIn(frame, node, required(field(node, 'left'), frame), required(field(node, 'right'), frame)),
  Is: (node, frame) => tested(node, frame, evaluate),
  Compare: comparison,
  Concat: concat,
  InlineIf: inlineIf,
  Neg: sign(-1),
  Pos: sign(1),
  Filter: (node, frame) => filtered(node, frame, evaluate),
  Capture: (node, frame) => frame.capture(field(node, 'body'), frame),
  Caller: (node, frame) => frame.macro(node, frame),
  ...Object.fromEntries(['Add', 'Sub', 'Mul', 'Div', 'FloorDiv', 'Mod', 'Pow'].map((name) => [name, binary])),
}
