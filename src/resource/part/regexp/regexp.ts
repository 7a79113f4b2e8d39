import type { Instruction, Test } from './code.ts'
import { type Program, parseRegexp } from './parse.ts'

/** A match: the text of each group, undefined for a group that took no part, and the groups by name. */
export interface Match {
  readonly groups: readonly (string | undefined)[]
  readonly named: ReadonlyMap<string, string | undefined>
}

/**
 * A regular expression that is matched in time linear in the text. The engine of JavaScript backtracks: a pattern such as `(a+)+$` would
 * stop the run on a line that an account of a host wrote.
 */
interface Regexp {
  /** Names and numbers of its groups. */
  readonly names: ReadonlyMap<string, number>
  readonly groups: number
  match(text: string): Match | undefined
}

const compiled = new Map<string, Regexp>()

/**
 * Compiles a regular expression.
 * @throws RegexpError
 */
export const regexpOf = (source: string): Regexp => {
  const known = compiled.get(source)
  if (known !== undefined) return known
  const program = parseRegexp(source)
  const first = beginnings(program)
  const made: Regexp = { names: program.names, groups: program.groups, match: (text) => run(program, text, first) }
  if (compiled.size < MAX_KEPT) compiled.set(source, made)
  return made
}

const MAX_KEPT = 1000

/** The tests of the characters with which a match can begin. Undefined if a match can be empty. */
const beginnings = ({ code }: Program): readonly Test[] | undefined => {
  const tests: Test[] = []
  const seen = new Set<number>()
  const stack = [0]
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    const instruction = code[at]
    if (instruction === undefined || seen.has(at)) continue
    seen.add(at)
    if (instruction.op === 'match') return undefined
    if (instruction.op === 'char') tests.push(instruction.matches)
    else if (instruction.op === 'jump') stack.push(instruction.to)
    else if (instruction.op === 'split') stack.push(instruction.first, instruction.second)
    else stack.push(at + 1)
  }
  return tests
}

interface Thread {
  readonly at: number
  readonly slots: readonly number[]
}

/** Threads in order of priority, each instruction at most once (Pike's algorithm). */
const run = ({ code, groups, names }: Program, text: string, first: readonly Test[] | undefined): Match | undefined => {
  const chars = [...text]
  let threads: readonly Thread[] = []
  let found: readonly number[] | undefined
  const marks = new Int32Array(code.length).fill(-1)
  for (let i = 0; i <= chars.length; i += 1) {
    const next: Thread[] = []
    const place = { before: chars[i - 1] ?? '', after: chars[i] ?? '', at: i }
    const add = (start: Thread): void => follow(code, start, { ...place, marks, next })
    // Most positions of a text are no beginning of a match.
    if (threads.length === 0 && found === undefined && first?.some((matches) => matches(place.after)) === false) continue
    for (const thread of threads) add(thread)
    if (found === undefined) add({ at: 0, slots: [] })
    const survivors: Thread[] = []
    for (const { at, slots } of next) {
      const instruction = code[at]
      if (instruction?.op === 'match') {
        found = slots
        break
      }
      if (instruction?.op === 'char' && i < chars.length && instruction.matches(chars[i] ?? '')) survivors.push({ at: at + 1, slots })
    }
    threads = survivors
    if (threads.length === 0 && found !== undefined) break
  }
  if (found === undefined) return undefined
  const slots = found
  const texts = Array.from({ length: groups }, (_, group) => {
    const [from, to] = [slots[2 * group], slots[2 * group + 1]]
    return from === undefined || to === undefined ? undefined : chars.slice(from, to).join('')
  })
  return { groups: texts, named: new Map([...names].map(([name, group]) => [name, texts[group]])) }
}

interface Step {
  readonly before: string
  readonly after: string
  readonly at: number
  /** For each instruction, the last position at which a thread reached it. */
  readonly marks: Int32Array
  readonly next: Thread[]
}

/** Follows a thread to the instructions that consume a character, in order of priority. */
const follow = (code: readonly Instruction[], start: Thread, { before, after, at: position, marks, next }: Step): void => {
  const stack: Thread[] = [start]
  for (let thread = stack.pop(); thread !== undefined; thread = stack.pop()) {
    const { at, slots } = thread
    const instruction = code[at]
    if (instruction === undefined || marks[at] === position) continue
    marks[at] = position
    if (instruction.op === 'jump') stack.push({ at: instruction.to, slots })
    else if (instruction.op === 'split') stack.push({ at: instruction.second, slots }, { at: instruction.first, slots })
    else if (instruction.op === 'save') {
      const saved = [...slots]
      saved[instruction.slot] = position
      stack.push({ at: at + 1, slots: saved })
    } else if (instruction.op === 'assert') {
      if (instruction.holds(before, after)) stack.push({ at: at + 1, slots })
    } else next.push(thread)
  }
}
