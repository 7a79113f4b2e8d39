/** An instruction of a compiled expression. */
export type Instruction =
  | { readonly op: 'char'; matches(char: string): boolean }
  | { readonly op: 'split'; first: number; second: number }
  | { readonly op: 'jump'; to: number }
  | { readonly op: 'save'; readonly slot: number }
  | { readonly op: 'assert'; holds(before: string, after: string): boolean }
  | { readonly op: 'match' }

/** A syntax error, or a construct that cannot be matched in linear time. */
export class RegexpError extends Error {
  override readonly name = 'RegexpError'
}

/** Every character of a text is compared with each instruction at most once, so this bounds the time of a match. */
const MAX_INSTRUCTIONS = 2000

/** A part of an expression: it appends its instructions. */
export type Node = (out: Instruction[]) => void
export type Test = (char: string) => boolean

export const isWord = (char: string): boolean => /^[A-Za-z0-9_]$/.test(char)

const ASSERTIONS: Readonly<Record<string, (before: string, after: string) => boolean>> = {
  '^': (before) => before === '',
  $: (_, after) => after === '',
  b: (before, after) => isWord(before) !== isWord(after),
  B: (before, after) => isWord(before) === isWord(after),
}

export const assertion =
  (name: string): Node =>
  (out) => {
    out.push({ op: 'assert', holds: ASSERTIONS[name] ?? (() => false) })
  }

export const either =
  (first: Node, second: Node): Node =>
  (out) => {
    const split = { op: 'split' as const, first: out.length + 1, second: 0 }
    out.push(split)
    first(out)
    const jump = { op: 'jump' as const, to: 0 }
    out.push(jump)
    split.second = out.length
    second(out)
    jump.to = out.length
  }

export const repeat =
  (node: Node, { min, max, isLazy }: { readonly min: number; readonly max: number | undefined; readonly isLazy: boolean }): Node =>
  (out) => {
    for (let i = 0; i < min; i += 1) node(out)
    const optional = (after: (split: number) => void): void => {
      const split = { op: 'split' as const, first: 0, second: 0 }
      const at = out.push(split) - 1
      node(out)
      after(at)
      Object.assign(split, isLazy ? { first: out.length, second: at + 1 } : { first: at + 1, second: out.length })
    }
    if (max === undefined) optional((split) => out.push({ op: 'jump', to: split }))
    else for (let i = min; i < max; i += 1) optional(() => {})
  }

/** The list of instructions, with a limit of its length. */
export const sized = (code: Instruction[]): Instruction[] => {
  const push = code.push.bind(code)
  return Object.assign(code, {
    push: (...some: Instruction[]): number => {
      if (code.length + some.length > MAX_INSTRUCTIONS) throw new RegexpError('too many repetitions')
      return push(...some)
    },
  })
}
