import type { Problem } from '../../problem.ts'
import type { TextPart } from '../../resource/kind/content.ts'
import { isSecret, Secret } from '../../secret/secret.ts'
import { inputProblem } from '../../site/source/input-problem.ts'
import type { Node, Position } from './nunjucks.ts'
import { placeIn, type Template, type TemplateFile } from './syntax.ts'
import { Missing, type Value } from './value.ts'

/** Limits of one rendering: evaluated nodes, characters of all texts that are made, characters of the result, items of a list, nested calls. */
const MAX_STEPS = 1_000_000
const MAX_TEXT = 256 * 2 ** 20
export const MAX_OUTPUT = 16 * 2 ** 20
export const MAX_ITEMS = 100_000
const MAX_DEPTH = 60

/** What one rendering has used of its limits. */
export class Budget {
  /** Number of templates, blocks and macros within each other at present. */
  depth = 0
  #steps = 0
  #text = 0
  /** Returns whether a limit is exceeded after another step, or after this many characters of new text. */
  step(): boolean {
    this.#steps += 1
    return this.#steps > MAX_STEPS
  }
  made(characters: number): boolean {
    this.#text += characters
    return this.#text > MAX_TEXT || characters > MAX_OUTPUT
  }
}

/** Names and their values. A loop, a macro and a block have names of their own. */
export class Scope {
  readonly #names = new Map<string, Value>()
  readonly parent: Scope | undefined
  constructor(parent?: Scope) {
    this.parent = parent
  }
  has(name: string): boolean {
    return this.#names.has(name)
  }
  get(name: string): Value | undefined {
    return this.#names.has(name) ? this.#names.get(name) : this.parent?.get(name)
  }
  define(name: string, value: Value): void {
    this.#names.set(name, value)
  }
  /** Changes a name where it is defined, as nunjucks does; defines it here if it is new. */
  assign(name: string, value: Value): void {
    let scope: Scope | undefined = this
    while (scope !== undefined && !scope.has(name)) scope = scope.parent
    ;(scope ?? this).define(name, value)
  }
  entries(): Iterable<readonly [string, Value]> {
    return this.#names
  }
}

/** What a template has printed, with secrets and later values as separate parts. */
export class Output {
  readonly #parts: TextPart[] = []
  #text: string[] = []
  length = 0
  add(part: TextPart): void {
    if (typeof part !== 'string') {
      this.#flush()
      this.#parts.push(part)
    } else if (part !== '') this.#text.push(part)
    this.length += typeof part === 'string' ? part.length : isSecret(part) ? part.reveal().length : 0
  }
  parts(): readonly TextPart[] {
    this.#flush()
    return this.#parts
  }
  #flush(): void {
    if (this.#text.length > 0) this.#parts.push(this.#text.join(''))
    this.#text = []
  }
  /** The output as one value: text, or a secret with its secrets. Undefined if it has a value that is made in the run. */
  asValue(): Value | undefined {
    const parts = this.parts()
    if (parts.some((part) => typeof part !== 'string' && !isSecret(part))) return undefined
    const text = parts.map((part) => (isSecret(part) ? part.reveal() : part)).join('')
    return parts.some(isSecret) ? new Secret(text, true) : text
  }
}

/** Values by name. Each is read when a template uses it: facts are unknown before the host was contacted. */
export type Given = ReadonlyMap<string, () => Value>

/** A block of a template, and where its text comes from. */
export interface BlockBody {
  readonly body: Node
  readonly template: Template
}

/** What a statement or expression may use. */
export interface Frame {
  readonly template: Template
  readonly scope: Scope
  readonly out: Output
  /** The names that every template has, such as `values`. */
  readonly given: Given
  readonly budget: Budget
  /** Blocks of the templates that extend this one, by name; the one that counts comes first. */
  readonly blocks: Map<string, BlockBody[]>
  /** Returns the template at a path of the project, undefined if there is none. */
  load(path: string, from: TemplateFile['path']): Template | undefined
  /** Returns what statements print. */
  capture(body: Node, frame: Frame): Value
  /** Returns the macro of a declaration. */
  macro(node: Node, frame: Frame): Value
}

/** Returns a problem at a node. */
export const faultAt = (frame: Frame, at: Position, what: string, fix: string): Problem =>
  inputProblem(placeIn(frame.template.path, at), what, fix)

/** Returns a value that exists. Throws a `Problem` at the name of a missing one. */
export const existing = (value: Value): Exclude<Value, Missing> => {
  if (!(value instanceof Missing)) return value
  throw inputProblem(value.place, value.what, value.fix)
}

/** Counts a step. Throws a `Problem` beyond the limit. */
export const step = (frame: Frame, at: Position): void => {
  if (frame.budget.step()) throw faultAt(frame, at, 'template takes too many steps', 'end its loops earlier')
}

/** Counts new text of a length. Throws a `Problem` beyond the limits. */
export const count = (frame: Frame, at: Position, characters: number): void => {
  if (frame.budget.made(characters))
    throw faultAt(frame, at, 'template makes too much text', `make less: a file has at most ${MAX_OUTPUT} characters`)
}

/** Runs `act` for a template, block or macro within others. Throws a `Problem` where they nest without end. */
export const nested = <T>({ budget, ...frame }: Frame, at: Position, act: () => T): T => {
  if (budget.depth >= MAX_DEPTH)
    throw faultAt({ budget, ...frame }, at, `more than ${MAX_DEPTH} templates or macros are nested`, 'end the recursion')
  budget.depth += 1
  try {
    return act()
  } finally {
    budget.depth -= 1
  }
}

/** Runs `act` with an output of its own, and returns what it printed. */
export const captured = (frame: Frame, at: Position, act: (out: Output) => void): Value => {
  const out = new Output()
  act(out)
  count(frame, at, out.length)
  const value = out.asValue()
  if (value === undefined) return { type: 'text', parts: out.parts() }
  return value
}
