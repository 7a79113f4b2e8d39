import { Problem } from '../../problem.ts'
import { isSecret } from '../../secret/secret.ts'
import { shownText } from '../../shown-name.ts'
import { inputProblem } from '../../site/source/input-problem.ts'
import { evaluate, required } from './expression.ts'
import { captured, count, existing, type Frame, faultAt, MAX_OUTPUT, nested, Scope, step } from './frame.ts'
import { items, type Loop } from './loop.ts'
import type { Node } from './nunjucks.ts'
import { isEqual, isTrue, printed, refuseHidden } from './operator.ts'
import type { Template } from './syntax.ts'
import { type Arguments, dictOf, isOpaque, Macro, type Value } from './value.ts'

type Execution = (node: Node, frame: Frame) => void

const field = (node: Node, name: string): Node => node[name] as Node
const optional = (node: Node, name: string): Node | undefined => (node[name] as Node | null) ?? undefined
const childrenOf = (node: Node): readonly Node[] => node.children ?? []

/** Executes statements: adds what they print to the output of the frame. */
export const execute: Execution = (node, frame) => {
  if (node.typename !== 'NodeList') step(frame, node)
  const act = STATEMENTS[node.typename]
  if (act === undefined)
    throw faultAt(frame, node, `tag \`${shownText(node.typename)}\` is not supported`, 'use if, for, set, macro or include')
  act(node, frame)
}

const list: Execution = (node, frame) => {
  for (const child of childrenOf(node)) execute(child, frame)
}

const output: Execution = (node, frame) => {
  for (const child of childrenOf(node)) {
    const value = child.typename === 'TemplateData' ? String(child.value) : printed(frame, child, evaluate(child, frame))
    print(value, frame, child)
  }
}

const print = (value: Exclude<Value, boolean | number | null>, { out, ...frame }: Frame, at: Node): void => {
  for (const part of isOpaque(value) && 'parts' in value ? value.parts : [value])
    out.add(isSecret(part) || isOpaque(part) ? (part as never) : String(part))
  if (out.length > MAX_OUTPUT) count({ out, ...frame }, at, out.length)
}

const condition: Execution = (node, frame) => {
  const isMet = isTrue(frame, field(node, 'cond'), evaluate(field(node, 'cond'), frame))
  const body = isMet ? field(node, 'body') : optional(node, 'else_')
  if (body !== undefined) execute(body, frame)
}

const choice: Execution = (node, frame) => {
  const value = required(field(node, 'expr'), frame)
  refuseHidden(frame, field(node, 'expr'), value, 'a condition cannot test')
  const found = (node.cases as readonly Node[]).find((one) => isEqual(required(field(one, 'cond'), frame), value))
  const body = found === undefined ? optional(node, 'default') : field(found, 'body')
  if (body !== undefined) execute(body, frame)
}

const loop: Execution = (node, frame) => {
  const { names, given, test } = loopOf(node, frame)
  const each = given.flatMap((values): readonly Scope[] => {
    const scope = new Scope(frame.scope)
    for (const [i, name] of names.entries()) scope.define(name, values[i] ?? null)
    return test === undefined || isTrue({ ...frame, scope }, test, evaluate(test, { ...frame, scope })) ? [scope] : []
  })
  const none = optional(node, 'else_')
  if (each.length === 0 && none !== undefined) execute(none, frame)
  for (const [i, scope] of each.entries()) {
    const left = each.length - i
    const position: readonly (readonly [string, Value])[] = [
      ...([
        ['index', i + 1],
        ['index0', i],
        ['revindex', left],
        ['revindex0', left - 1],
      ] as const),
      ...([
        ['first', i === 0],
        ['last', left === 1],
        ['length', each.length],
      ] as const),
    ]
    scope.define('loop', dictOf(position))
    step(frame, node)
    execute(field(node, 'body'), { ...frame, scope })
  }
}

/** `for item in list if condition` is an expression with `if` for the parser; as in Jinja, the condition chooses items. */
const loopOf = (node: Node, frame: Frame): Loop & { readonly test: Node | undefined } => {
  const over = field(node, 'arr')
  const isFiltered = over.typename === 'InlineIf' && over.else_ === null
  const at = isFiltered ? field(over, 'body') : over
  const target = field(node, 'name')
  const names = target.typename === 'Array' ? childrenOf(target).map((one) => String(one.value)) : [String(target.value)]
  return { ...items({ value: required(at, frame), names, at, frame }), test: isFiltered ? field(over, 'cond') : undefined }
}

const set: Execution = (node, frame) => {
  const body = optional(node, 'body')
  const value = body === undefined ? required(field(node, 'value'), frame) : evaluate(body, frame)
  for (const target of node.targets as readonly Node[]) {
    if (target.typename !== 'Symbol') throw faultAt(frame, target, '`set` changes a part of a value', 'set a new name')
    frame.scope.assign(String(target.value), value)
  }
}

/** Returns a macro. Its names are those of its template; a caller has those of its place too. */
export const macroOf = (node: Node, frame: Frame): Macro => {
  const name = String(field(node, 'name').value)
  const all = childrenOf(field(node, 'args'))
  const positional = all.filter(({ typename }) => typename !== 'KeywordArgs').map(({ value }) => String(value))
  const defaults = all.filter(({ typename }) => typename === 'KeywordArgs').flatMap(childrenOf)
  const parameters = [...positional, ...defaults.map((pair) => String(field(pair, 'key').value))]
  return new Macro((given: Arguments) => {
    const inner = { ...frame, scope: new Scope(frame.scope) }
    const wrong = (what: string): never => {
      throw inputProblem(given.at, `macro \`${shownText(name)}\` ${what}`, 'correct the arguments')
    }
    if (given.positional.length > parameters.length)
      wrong(`has ${parameters.length} parameters, and is called with ${given.positional.length}`)
    const values = new Map<string, Value>(given.positional.map((value, i) => [parameters[i] ?? '', value]))
    for (const [key, value] of given.named) {
      if (key !== 'caller' && (!parameters.includes(key) || values.has(key))) wrong(`is called with an unknown \`${shownText(key)}\``)
      values.set(key, value)
    }
    for (const [key, value] of values) inner.scope.define(key, value)
    for (const parameter of positional) if (!values.has(parameter)) wrong(`is called without \`${shownText(parameter)}\``)
    for (const pair of defaults) {
      const key = String(field(pair, 'key').value)
      if (!values.has(key)) inner.scope.define(key, required(field(pair, 'value'), inner))
    }
    return nested(frame, node, () => captured(inner, node, (out) => execute(field(node, 'body'), { ...inner, out })))
  })
}

/** Returns the template that an expression names. */
const templateAt = (node: Node, frame: Frame, isOptional: boolean): Template | undefined => {
  const path = required(node, frame)
  if (typeof path !== 'string' || path === '') throw faultAt(frame, node, 'name of a template is not a text', 'write its path')
  const found = loaded(path, node, frame)
  if (found === undefined && !isOptional)
    throw faultAt(
      frame,
      node,
      `template ${shownText(path)} does not exist`,
      'correct the path: it begins at the directory of the project, or with ./ at that of this template',
    )
  return found
}

/** Moves problems of a file to the tag that names it. */
const loaded = (path: string, node: Node, frame: Frame): Template | undefined => {
  try {
    return frame.load(path, frame.template.path)
  } catch (error) {
    if (!(error instanceof Problem) || !('file' in error.where) || error.where.line !== undefined) throw error
    throw faultAt(frame, node, `${error.where.file}: ${error.what}`, error.fix)
  }
}

const include: Execution = (node, frame) => {
  const template = templateAt(field(node, 'template'), frame, node.ignoreMissing === true)
  if (template === undefined) return
  nested(frame, node, () => runTemplate({ ...frame, template, scope: new Scope(frame.scope), blocks: new Map() }))
}

/** Executes a template; its blocks are printed as those that extend it declare them. */
export const runTemplate = (frame: Frame): void => {
  const { root } = frame.template
  for (const block of blocksIn(root)) {
    const name = String(field(block, 'name').value)
    frame.blocks.set(name, [...(frame.blocks.get(name) ?? []), { body: field(block, 'body'), template: frame.template }])
  }
  const extending = childrenOf(root).find(({ typename }) => typename === 'Extends')
  if (extending === undefined) {
    execute(root, frame)
    return
  }
  for (const child of childrenOf(root)) if (DECLARES.has(child.typename)) execute(child, frame)
  const template = templateAt(field(extending, 'template'), frame, false)
  if (template !== undefined) nested(frame, extending, () => runTemplate({ ...frame, template }))
}

/** Statements of a template that extends another. Its other text is not printed. */
const DECLARES = new Set(['Set', 'Macro', 'Import', 'FromImport'])

const blocksIn = (node: Node): readonly Node[] =>
  [...childrenOf(node), ...['body', 'else_'].flatMap((name) => optional(node, name) ?? [])].flatMap((child) => [
    ...(child.typename === 'Block' ? [child] : []),
    ...blocksIn(child),
  ])

const block: Execution = (node, frame) => {
  const name = String(field(node, 'name').value)
  runBlock(name, 0, frame, node)
}

const runBlock = (name: string, level: number, frame: Frame, at: Node): void => {
  const found = frame.blocks.get(name)?.[level]
  if (found === undefined) throw faultAt(frame, at, 'no template above has this block', 'remove `super()`')
  const inner = { ...frame, template: found.template, scope: new Scope(frame.scope) }
  const above = new Macro(() => captured(inner, at, (out) => runBlock(name, level + 1, { ...inner, out }, at)))
  inner.scope.define('super', above)
  nested(frame, at, () => execute(found.body, inner))
}

/** The names that a template declares at its top. */
const exported = (node: Node, frame: Frame): Scope => {
  const template = templateAt(field(node, 'template'), frame, false)
  const scope = new Scope(node.withContext === true ? frame.scope : undefined)
  if (template !== undefined)
    nested(frame, node, () => captured(frame, node, (out) => runTemplate({ ...frame, template, scope, out, blocks: new Map() })))
  return scope
}

const importAll: Execution = (node, frame) =>
  frame.scope.define(String(field(node, 'target').value), dictOf(exported(node, frame).entries()))

const importSome: Execution = (node, frame) => {
  const scope = exported(node, frame)
  for (const one of childrenOf(field(node, 'names'))) {
    const [name, alias] = one.typename === 'Pair' ? [field(one, 'key'), field(one, 'value')] : [one, one]
    if (!scope.has(String(name.value)))
      throw faultAt(frame, name, `template declares no \`${shownText(String(name.value))}\``, 'correct the name')
    frame.scope.define(String(alias.value), existing(scope.get(String(name.value)) ?? null))
  }
}

const STATEMENTS: Readonly<Record<string, Execution>> = {
  Root: list,
  NodeList: list,
  Output: output,
  If: condition,
  Switch: choice,
  For: loop,
  Set: set,
  Macro: (node, frame) => frame.scope.define(String(field(node, 'name').value), macroOf(node, frame)),
  Include: include,
  Import: importAll,
  FromImport: importSome,
  Block: block,
}

/** Returns what statements print. */
export const capture = (body: Node, frame: Frame): Value => captured(frame, body, (out) => execute(body, { ...frame, out }))
