/** A place in a script where a value or a fragment is inserted. */
export interface Insertion {
  readonly start: number
  readonly end: number
  readonly content: 'words' | 'number' | 'script' | 'raw'
  /** The text after it must begin with a new line. */
  readonly endsLine: boolean
}

/** A script that cannot be used, because a shell would read a value as something else. `at` is its place in the text. */
export class ShellSyntaxError extends TypeError {
  override readonly name = 'ShellSyntaxError'
}

type Place =
  | 'code'
  | 'parentheses'
  | 'backticks'
  | 'braces'
  | 'arithmetic'
  | 'double quotes'
  | 'single quotes'
  | 'comment'
  | 'here-document'

interface Level {
  readonly place: Place
  /** `case` that are open: the `)` after a pattern ends nothing. */
  cases: number
}

interface HereDocument {
  readonly word: string
  readonly tabs: boolean
}

// Characters that begin nothing.
const ORDINARY = /[^\\'"`$#()<}\n]+/y
const HERE_DOCUMENT = /<<(-?)[ \t]*(?:'([^'\n]+)'|"([^"\n]+)"|\\?([A-Za-z0-9_]+))/y
const CASE = /(^|[\s;&|({!])(case|esac)(?=[\s;&|)]|$)/g

/**
 * Reads a script from its beginning to its end and checks every insertion: words and fragments are outside of quotes, comments,
 * here-documents and backticks, in which a backslash or a backtick of a quoted word is read once more (a number may be anywhere), and
 * nothing that begins in the text is open at its end. It knows the grammar of quoting, not that of commands.
 */
export class PositionCheck {
  readonly #text: string
  readonly #insertions: readonly Insertion[]
  readonly #levels: Level[] = [{ place: 'code', cases: 0 }]
  #awaited: HereDocument[] = []
  #at = 0
  #next = 0

  constructor(text: string, insertions: readonly Insertion[]) {
    this.#text = text
    this.#insertions = insertions
  }

  /** Throws where a position is wrong; returns whether only a new line can follow. */
  check(): boolean {
    let endsLine = false
    while (this.#at < this.#text.length || this.#next < this.#insertions.length) {
      const insertion = this.#insertions[this.#next]
      if (insertion !== undefined && this.#at > insertion.start) throw this.#error('is joined to the characters before it')
      if (insertion?.start === this.#at) {
        endsLine = this.#pass(insertion)
        continue
      }
      endsLine = false
      this.#step(insertion?.start ?? this.#text.length)
    }
    const { place } = this.#top
    if (place === 'comment') return true
    if (place === 'here-document' && this.#endsDocument()) return true
    if (this.#awaited.length > 0 || this.#levels.length > 1)
      throw new ShellSyntaxError(`a shell script ends in ${this.#awaited.length > 0 ? 'here-document' : place}: ${this.#excerpt()}`)
    return endsLine
  }

  get #top(): Level {
    return this.#levels.at(-1) ?? { place: 'code', cases: 0 }
  }

  #pass({ content, start, end, endsLine }: Insertion): boolean {
    this.#next += 1
    if (content === 'raw') return false
    const place = this.#levels.find((level) => level.place === 'backticks')?.place ?? this.#top.place
    const fits = place === 'code' || place === 'parentheses' || (place === 'braces' && !this.#isQuoted())
    if (!fits && content !== 'number') throw this.#error(`is inside ${place}`)
    if (content !== 'script' && /(^|[^\\])\$([A-Za-z_]\w*)?$/.test(this.#text.slice(0, start).slice(-80)) && start < end)
      throw this.#error('would become part of the variable before it')
    this.#at = end
    if (endsLine && end < this.#text.length && this.#text[end] !== '\n') throw this.#error('ends its line, and text follows it')
    return endsLine
  }

  #isQuoted(): boolean {
    const level = this.#levels.findLast(({ place }) => place !== 'braces')
    return level?.place === 'double quotes'
  }

  #step(limit: number): void {
    const { place } = this.#top
    if (place === 'single quotes') this.#skipTo("'", limit)
    else if (place === 'comment') this.#skipTo('\n', limit)
    else if (place === 'here-document') this.#skipDocument(limit)
    else this.#read(limit)
  }

  #skipTo(end: string, limit: number): void {
    const found = this.#text.indexOf(end, this.#at)
    if (found === -1 || found >= limit) {
      this.#at = limit
      return
    }
    this.#at = found + (end === '\n' ? 0 : 1)
    this.#levels.pop()
  }

  // Line by line, because the end of a document is a separate line.
  #skipDocument(limit: number): void {
    const end = this.#text.indexOf('\n', this.#at)
    if (end === -1 || end >= limit) {
      this.#at = limit
      return
    }
    if (this.#endsDocument(end)) {
      this.#awaited.shift()
      if (this.#awaited.length === 0) this.#levels.pop()
    }
    // The new line after the last document is read as one of the script.
    this.#at = end + (this.#top.place === 'here-document' ? 1 : 0)
  }

  #endsDocument(end = this.#text.length): boolean {
    const line = this.#text.slice(this.#text.lastIndexOf('\n', end - 1) + 1, end)
    const [document] = this.#awaited
    return document !== undefined && (document.tabs ? line.replace(/^\t+/, '') : line) === document.word
  }

  #read(limit: number): void {
    const text = this.#text
    const at = this.#at
    const { place } = this.#top
    ORDINARY.lastIndex = at
    const ordinary = ORDINARY.exec(text)
    if (ordinary !== null) {
      this.#at = Math.min(at + ordinary[0].length, limit)
      this.#countCases(at)
      return
    }
    this.#at = at + 1
    const quoted = place === 'double quotes' || (place === 'braces' && this.#isQuoted())
    switch (text[at]) {
      case '\\':
        this.#at = at + 2
        return
      case '"':
        if (place === 'double quotes') this.#levels.pop()
        else this.#push('double quotes')
        return
      case '`':
        if (place === 'backticks') this.#levels.pop()
        else this.#push('backticks')
        return
      case '$':
        if (text.startsWith('((', at + 1)) this.#open('arithmetic', 3)
        else if (text[at + 1] === '(') this.#open('parentheses', 2)
        else if (text[at + 1] === '{') this.#open('braces', 2)
        else if (/[#$?!*@-]/.test(text[at + 1] ?? '')) this.#at = Math.min(at + 2, Math.max(limit, at + 1))
        return
      case '}':
        if (place === 'braces') this.#levels.pop()
        return
    }
    if (!quoted) this.#readCode(at)
  }

  #readCode(at: number): void {
    const text = this.#text
    const { place } = this.#top
    switch (text[at]) {
      case "'":
        this.#push('single quotes')
        return
      case '#':
        if (place !== 'braces' && place !== 'arithmetic' && /^$|[\s;&|()]/.test(text[at - 1] ?? '')) this.#push('comment')
        return
      case '(':
        this.#push(place === 'arithmetic' ? 'arithmetic' : 'parentheses')
        return
      case ')':
        if (place === 'arithmetic' || (place === 'parentheses' && this.#top.cases === 0)) this.#levels.pop()
        if (place === 'arithmetic' && this.#top.place !== 'arithmetic' && text[at + 1] === ')') this.#at = at + 2
        return
      case '<':
        this.#readRedirection(at)
        return
      case '\n':
        if (this.#awaited.length > 0) this.#push('here-document')
    }
  }

  #readRedirection(at: number): void {
    if (this.#top.place === 'arithmetic') return
    HERE_DOCUMENT.lastIndex = at
    const [whole, tabs, ...words] = HERE_DOCUMENT.exec(this.#text) ?? []
    if (whole === undefined) return
    this.#awaited.push({ word: words.find((word) => word !== undefined) ?? '', tabs: tabs === '-' })
    this.#at = at + whole.length
  }

  #countCases(from: number): void {
    const { place } = this.#top
    if (place === 'double quotes' || place === 'braces' || place === 'arithmetic') return
    const before = from === 0 ? '' : this.#text[from - 1]
    for (const [, , word] of `${before}${this.#text.slice(from, this.#at)}`.matchAll(CASE))
      this.#top.cases = Math.max(0, this.#top.cases + (word === 'case' ? 1 : -1))
  }

  #open(place: Place, length: number): void {
    this.#at += length - 1
    this.#push(place)
  }

  #push(place: Place): void {
    this.#levels.push({ place, cases: 0 })
  }

  #error(why: string): ShellSyntaxError {
    return new ShellSyntaxError(`a value of a shell script ${why}: ${this.#excerpt()}`)
  }

  #excerpt(): string {
    return JSON.stringify(this.#text.slice(Math.max(0, this.#at - 60), this.#at))
  }
}
