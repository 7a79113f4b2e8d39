import { assertion, either, type Instruction, isWord, type Node, RegexpError, repeat, sized, type Test } from './code.ts'

/** A compiled expression: instructions, and the groups by name. */
export interface Program {
  readonly code: readonly Instruction[]
  readonly groups: number
  readonly names: ReadonlyMap<string, number>
}

const MAX_REPETITIONS = 255
const MAX_DEPTH = 100

const SPACE = /^\s$/
const CLASSES: Readonly<Record<string, Test>> = {
  d: (char) => char >= '0' && char <= '9',
  s: (char) => SPACE.test(char),
  w: (char) => isWord(char),
}
const ESCAPED: Readonly<Record<string, string>> = { t: '\t', r: '\r', f: '\f', v: '\v' }

/**
 * Parses a regular expression: the syntax of JavaScript and of Python's `re`, without lookarounds and backreferences, which no program
 * matches in linear time. `(?i)` at the beginning ignores case.
 * @throws RegexpError
 */
export const parseRegexp = (source: string): Program => new Parser(source).parse()

class Parser {
  readonly #chars: readonly string[]
  readonly #ignoresCase: boolean
  readonly #names = new Map<string, number>()
  #at = 0
  #groups = 1
  #depth = 0

  constructor(source: string) {
    this.#ignoresCase = source.startsWith('(?i)')
    this.#chars = [...(this.#ignoresCase ? source.slice(4) : source)]
  }

  parse(): Program {
    const node = this.#alternatives()
    if (this.#at < this.#chars.length) throw new RegexpError('an unmatched )')
    const code: Instruction[] = []
    const out = sized(code)
    out.push({ op: 'save', slot: 0 })
    node(out)
    out.push({ op: 'save', slot: 1 }, { op: 'match' })
    return { code, groups: this.#groups, names: this.#names }
  }

  #peek(): string | undefined {
    return this.#chars[this.#at]
  }

  #take(): string {
    const char = this.#chars[this.#at]
    if (char === undefined) throw new RegexpError('an incomplete expression')
    this.#at += 1
    return char
  }

  #takes(text: string): boolean {
    if (this.#chars.slice(this.#at, this.#at + text.length).join('') !== text) return false
    this.#at += text.length
    return true
  }

  #alternatives(): Node {
    this.#depth += 1
    if (this.#depth > MAX_DEPTH) throw new RegexpError('too many nested groups')
    const options = [this.#sequence()]
    while (this.#takes('|')) options.push(this.#sequence())
    this.#depth -= 1
    return options.reduceRight((rest, option) => either(option, rest))
  }

  #sequence(): Node {
    const nodes: Node[] = []
    for (let next = this.#peek(); next !== undefined && next !== '|' && next !== ')'; next = this.#peek()) nodes.push(this.#repeated())
    return (out) => {
      for (const node of nodes) node(out)
    }
  }

  #repeated(): Node {
    const start = this.#at
    const node = this.#atom()
    const isAssertion = ['^', '$', '\\b', '\\B'].includes(this.#chars.slice(start, this.#at).join(''))
    const [min, max] = this.#quantifier() ?? []
    if (min === undefined) return node
    if (isAssertion) throw new RegexpError('a repetition of nothing')
    const isLazy = this.#takes('?')
    if (['*', '+', '?'].includes(this.#peek() ?? '')) throw new RegexpError('a repetition of nothing')
    return repeat(node, { min, max, isLazy })
  }

  #quantifier(): readonly [number, number | undefined] | undefined {
    if (this.#takes('*')) return [0, undefined]
    if (this.#takes('+')) return [1, undefined]
    if (this.#takes('?')) return [0, 1]
    const [whole, least = '', comma, most = ''] = /^\{(\d+)(,(\d*))?\}/.exec(this.#chars.slice(this.#at, this.#at + 12).join('')) ?? []
    if (whole === undefined) {
      if (this.#peek() === '{') throw new RegexpError('an unescaped {')
      return undefined
    }
    this.#at += whole.length
    const min = Number(least)
    const limit = comma === undefined ? min : most === '' ? undefined : Number(most)
    if (min > MAX_REPETITIONS || (limit ?? 0) > MAX_REPETITIONS) throw new RegexpError(`more than ${MAX_REPETITIONS} repetitions`)
    if (limit !== undefined && limit < min) throw new RegexpError('numbers out of order in {}')
    return [min, limit]
  }

  #atom(): Node {
    const char = this.#take()
    if (char === '(') return this.#group()
    if (char === '[') return this.#test(this.#class())
    if (char === '.') return this.#test(() => true)
    if (char === '^' || char === '$') return assertion(char)
    if ('*+?{'.includes(char)) throw new RegexpError(char === '{' ? 'an unescaped {' : 'a repetition of nothing')
    if (char !== '\\') return this.#literal(char)
    const next = this.#peek()
    if (next === 'b' || next === 'B') {
      this.#at += 1
      return assertion(next)
    }
    const escaped = this.#escape()
    return typeof escaped === 'string' ? this.#literal(escaped) : this.#test(escaped)
  }

  #group(): Node {
    if (this.#takes('?:')) return this.#closed(this.#alternatives())
    if (this.#takes('?=') || this.#takes('?!') || this.#takes('?<=') || this.#takes('?<!'))
      throw new RegexpError('a lookaround, which cannot be matched in linear time')
    let name: string | undefined
    if (this.#takes('?P<') || this.#takes('?<')) {
      name = ''
      for (let char = this.#take(); char !== '>'; char = this.#take()) name += char
      if (!/^[A-Za-z_]\w*$/.test(name) || this.#names.has(name)) throw new RegexpError(`an invalid or repeated name of a group: ${name}`)
    } else if (this.#peek() === '?') throw new RegexpError('an unknown kind of group; (?i) is only known at the beginning')
    const group = this.#groups
    this.#groups += 1
    if (name !== undefined) this.#names.set(name, group)
    const inner = this.#closed(this.#alternatives())
    return (out) => {
      out.push({ op: 'save', slot: 2 * group })
      inner(out)
      out.push({ op: 'save', slot: 2 * group + 1 })
    }
  }

  #closed(node: Node): Node {
    if (!this.#takes(')')) throw new RegexpError('an unmatched (')
    return node
  }

  /** Reads what follows a backslash: one character, or a class. */
  #escape(): string | Test {
    const char = this.#take()
    const known = CLASSES[char.toLowerCase()]
    if (known !== undefined) return char === char.toLowerCase() ? known : (one) => !known(one)
    if (char in ESCAPED) return ESCAPED[char] ?? ''
    if (char === 'x' || char === 'u') {
      const digits = this.#chars.slice(this.#at, this.#at + (char === 'x' ? 2 : 4)).join('')
      if (!(char === 'x' ? /^[0-9a-fA-F]{2}$/ : /^[0-9a-fA-F]{4}$/).test(digits)) throw new RegexpError(`an incomplete \\${char}`)
      this.#at += digits.length
      return String.fromCharCode(Number.parseInt(digits, 16))
    }
    if (/^[1-9]$/.test(char)) throw new RegexpError('a backreference, which cannot be matched in linear time')
    if (/^[A-Za-z0-9]$/.test(char)) throw new RegexpError(`an unknown escape \\${char}`)
    return char
  }

  #class(): Test {
    const isNegated = this.#takes('^')
    const tests: Test[] = []
    for (let isFirst = true; isFirst || this.#peek() !== ']'; isFirst = false) {
      if (isFirst && this.#peek() === ']') throw new RegexpError('an empty class; write \\] for the bracket')
      const low = this.#member()
      if (typeof low !== 'string') tests.push(low)
      else if (this.#peek() === '-' && this.#chars[this.#at + 1] !== ']' && this.#at + 1 < this.#chars.length) {
        this.#at += 1
        const high = this.#member()
        if (typeof high !== 'string' || high < low) throw new RegexpError('a range out of order')
        tests.push((char) => char >= low && char <= high)
      } else tests.push((char) => char === low)
    }
    this.#at += 1
    return (char) => {
      const forms = this.#ignoresCase ? [char, char.toLowerCase(), char.toUpperCase()] : [char]
      return tests.some((test) => forms.some(test)) !== isNegated
    }
  }

  #member(): string | Test {
    const char = this.#take()
    if (char === '[' && [':', '.', '='].includes(this.#peek() ?? '')) throw new RegexpError('a class of POSIX; write \\s, \\d or \\w')
    return char === '\\' ? this.#escape() : char
  }

  #literal(char: string): Node {
    if (!this.#ignoresCase) return this.#test((one) => one === char)
    const folded = char.toLowerCase()
    return this.#test((one) => one.toLowerCase() === folded)
  }

  #test(matches: Test): Node {
    return (out) => {
      out.push({ op: 'char', matches })
    }
  }
}
