// Lists the small mutations of a source file: each is a mistake that somebody could make there, and that a test should detect.
import { parseSync } from 'vite'
import { linesOfTemplate, words } from './text.ts'

export interface Mutant {
  readonly file: string
  readonly start: number
  readonly end: number
  readonly replacement: string
  readonly line: number
  /** Original and mutated code, shortened, for the report. */
  readonly summary: string
}

/** A replacement of the characters from `start` to `end`. */
export interface Edit {
  readonly start: number
  readonly end: number
  readonly replacement: string
}

export interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

const SWAPPED: Readonly<Record<string, string>> = {
  '===': '!==',
  '!==': '===',
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '&&': '||',
  '||': '&&',
}

/** Methods that return something else, of the same type. */
const METHODS: ReadonlyMap<string, string> = new Map([
  ['some', 'every'],
  ['every', 'some'],
  ['startsWith', 'endsWith'],
  ['endsWith', 'startsWith'],
])

/** Properties, functions and comparisons whose text only people read, or that are no value at all. */
const PROSE_KEYS = /^(what|why|fix|hint|reason|doing|failed|description|summary|title|examples|note|example|label|say)$/
const PROSE_CALLS = /^(describe|meta|problem|error|warn|refine|superRefine|Error|TypeError|ProblemError|HostRefusal|ControllerFailure)$/

/** Mutations of a file, in the order of the source. Code that only people read is left out: messages, descriptions, types, imports. */
export const mutantsOf = (file: string, source: string): readonly Mutant[] => {
  const edits: Edit[] = []
  walk(parse(file, source), (node, parent) => edits.push(...editsOf(node, parent, source)))
  return edits
    .filter(({ start, end, replacement }) => source.slice(start, end) !== replacement)
    .sort((a, b) => a.start - b.start || a.end - b.end)
    .map((edit) => ({ file, ...edit, line: source.slice(0, edit.start).split('\n').length, summary: summaryOf(edit, source) }))
}

export const parse = (file: string, source: string): Node => parseSync(file, source, { sourceType: 'module' }).program as unknown as Node

/** Calls `visit` for every node that has a value at run time and is not prose. */
export const walk = (node: Node, visit: (node: Node, parent: Node | undefined) => void, parent?: Node): void => {
  if (node.type.startsWith('Import') || (node.type.startsWith('TS') && node.expression === undefined) || isProse(node)) return
  visit(node, parent)
  for (const [key, value] of Object.entries(node)) {
    // Types are beside the values.
    if (key === 'typeAnnotation' || key === 'returnType' || key === 'typeArguments' || key === 'typeParameters') continue
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) walk(child, visit, node)
  }
}

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && typeof (value as Node).type === 'string'

/** An empty line or a comment of a generated text. */
const isBlank = (node: Node | null): boolean => typeof node?.value === 'string' && /^\s*(#|\/\/|$)/.test(node.value)

/** A member of an object that is `undefined`: without it the object is the same to who reads it. */
const isUndefined = ({ value }: Node): boolean => isNode(value) && value.type === 'Identifier' && value.name === 'undefined'

const isProse = (node: Node): boolean =>
  (node.type === 'Property' && PROSE_KEYS.test(nameOf(node.key))) ||
  ((node.type === 'CallExpression' || node.type === 'NewExpression') && PROSE_CALLS.test(nameOf(node.callee)) && !hasFunction(node))

/** Name of an identifier, of a string as key, or of the member that is called. */
const nameOf = (value: unknown): string => {
  if (!isNode(value)) return ''
  if (value.type === 'MemberExpression') return nameOf(value.property)
  return String(value.name ?? value.value ?? '')
}

const hasFunction = (call: Node): boolean =>
  (call.arguments as readonly Node[]).some(({ type }) => type === 'ArrowFunctionExpression' || type === 'FunctionExpression')

const editsOf = (node: Node, parent: Node | undefined, source: string): readonly Edit[] => {
  const replace = (part: unknown, replacement: string): readonly Edit[] =>
    isNode(part) ? [{ start: part.start, end: part.end, replacement }] : []
  switch (node.type) {
    case 'BinaryExpression':
    case 'LogicalExpression':
      return operator(node, source)
    case 'IfStatement':
    case 'ConditionalExpression':
      return [...replace(node.test, 'true'), ...replace(node.test, 'false')]
    case 'UnaryExpression':
      return node.operator === '!' ? [{ start: node.start, end: node.start + 1, replacement: '' }] : []
    case 'Literal':
      return literal(node, parent, source)
    case 'ArrayExpression':
      return (node.elements as readonly (Node | null)[]).flatMap((one) => (isBlank(one) ? [] : replace(one, '...[]')))
    case 'ObjectExpression':
      return (node.properties as readonly Node[])
        .filter((one) => !isProse(one) && !isUndefined(one))
        .flatMap((one) => replace(one, '...{}'))
    case 'ExpressionStatement':
      return isNode(node.expression) && /Call|Await|Assignment/.test(node.expression.type) ? replace(node.expression, 'void 0') : []
    case 'CallExpression':
      return call(node)
    case 'TemplateLiteral':
      return (node.quasis as readonly Node[]).flatMap((quasi) => linesOfTemplate(source, ...textOf(quasi)))
    default:
      return []
  }
}

/** The range of a part of a template without its delimiters, which the parser includes. */
const textOf = ({ start, end, value }: Node): readonly [from: number, to: number] => {
  const { raw } = value as { readonly raw: string }
  return end - start === raw.length ? [start, end] : [start + 1, start + 1 + raw.length]
}

const operator = (node: Node, source: string): readonly Edit[] => {
  const [left, right] = [node.left, node.right]
  const swapped = SWAPPED[String(node.operator)]
  if (swapped === undefined || !isNode(left) || !isNode(right)) return []
  const at = source.indexOf(String(node.operator), left.end)
  return at === -1 || at >= right.start ? [] : [{ start: at, end: at + String(node.operator).length, replacement: swapped }]
}

const literal = (node: Node, parent: Node | undefined, source: string): readonly Edit[] => {
  const { start, end } = node
  const value = node.value
  if (typeof value === 'boolean') return [{ start, end, replacement: String(!value) }]
  // A duration or a size that is one more is no mistake; one of zero is.
  if (typeof value === 'number') return [{ start, end, replacement: String(value < 1000 ? value + 1 : 0) }]
  if (node.regex !== undefined) return anchors(node, source)
  const isKey = parent?.type === 'Property' && parent.key === node
  return typeof value === 'string' && !isKey && !isBlank(node) && !explains(node, parent) ? words(source, start + 1, end - 1) : []
}

/** The text beside a rule, as in `rule('tcp dport 22 accept', 'logins, at most 20 per minute')`. */
const explains = (node: Node, parent: Node | undefined): boolean => {
  const [first] = parent?.type === 'CallExpression' ? (parent.arguments as readonly Node[]) : []
  return first !== undefined && first !== node && first.type === 'Literal' && String(first.value).includes(' ')
}

/** A pattern without its anchor matches more than it should. */
const anchors = ({ start, end }: Node, source: string): readonly Edit[] => {
  const close = source.lastIndexOf('/', end - 1)
  return [
    ...(source[start + 1] === '^' ? [{ start: start + 1, end: start + 2, replacement: '' }] : []),
    ...(source[close - 1] === '$' && source[close - 2] !== '\\' ? [{ start: close - 1, end: close, replacement: '' }] : []),
  ]
}

const call = (node: Node): readonly Edit[] => {
  const callee = node.callee
  if (!isNode(callee) || callee.type !== 'MemberExpression' || !isNode(callee.property) || !isNode(callee.object)) return []
  const { start, end } = callee.property
  const name = nameOf(callee)
  const method = METHODS.get(name)
  return [
    ...(method === undefined ? [] : [{ start, end, replacement: method }]),
    // The array as it is, without the selection or the order.
    ...(/^(filter|toSorted|toReversed)$/.test(name) ? [{ start: callee.object.end, end: node.end, replacement: '' }] : []),
  ]
}

const summaryOf = ({ start, end, replacement }: Edit, source: string): string => {
  const from = source.lastIndexOf('\n', start - 1) + 1
  const to = source.indexOf('\n', end) === -1 ? source.length : source.indexOf('\n', end)
  const shorten = (text: string): string => text.trim().replace(/\s+/g, ' ').slice(0, 160)
  return `- ${shorten(source.slice(from, to))}\n    + ${shorten(source.slice(from, start) + replacement + source.slice(end, to))}`
}
