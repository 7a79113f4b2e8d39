import { isSecret } from '../../secret/secret.ts'
import { shownText } from '../../shown-name.ts'
import { suggestion } from '../../site/source/suggest.ts'
import { existing, type Frame, faultAt } from './frame.ts'
import { argumentsOf } from './function.ts'
import { type Node, nunjucks } from './nunjucks.ts'
import { isTrue } from './operator.ts'
import { isDict, isList, isOpaque, Macro, Missing, plain, typeName, type Value } from './value.ts'

const OTHER_TESTS: ReadonlyMap<string, (value: Value) => boolean> = new Map(
  Object.entries({
    boolean: (value) => typeof plain(value) === 'boolean',
    none: (value) => value === null,
    callable: (value) => value instanceof Macro,
    iterable: (value) => isList(value) || isDict(value) || typeof value === 'string',
    sequence: (value) => isList(value) || typeof value === 'string',
    mapping: isDict,
  }),
)

/** Evaluates `is`. A missing value can only be tested for that, a secret for that and its type. */
export const tested = (node: Node, frame: Frame, evaluate: (node: Node, frame: Frame) => Value): Value => {
  const right = node.right as Node
  const at = (right.name as Node | undefined) ?? right
  const name = String(at.value)
  const subject = evaluate(node.left as Node, frame)
  const { positional } = right.args === undefined ? { positional: [] } : argumentsOf(right.args as Node, frame, evaluate)
  if (name === 'defined') return !(subject instanceof Missing)
  if (name === 'undefined') return subject instanceof Missing
  const value = existing(subject)
  const { tests } = nunjucks()
  const known = OTHER_TESTS.get(name) ?? (Object.hasOwn(tests, name) ? tests[name] : undefined)
  if (known === undefined)
    throw faultAt(frame, at, `unknown test \`${shownText(name)}\``, suggestion(name, Object.keys(tests), 'use a test of nunjucks'))
  if (isSecret(value) && name === 'string') return true
  if (isSecret(value) && name === 'null') return false
  const given = [value, ...positional.map(existing)]
  if (given.some((one) => isSecret(one) || isOpaque(one)) && !OTHER_TESTS.has(name))
    throw faultAt(frame, at, `test \`${name}\` has a secret`, 'test whether it `is defined`; a secret can only be printed')
  if (name === 'truthy' || name === 'falsy') return isTrue(frame, at, value) === (name === 'truthy')
  try {
    return known.apply(undefined, given.map(plain) as [Value]) === true
  } catch {
    throw faultAt(frame, at, `test \`${name}\` cannot be used on ${typeName(value)}`, 'test another value')
  }
}
