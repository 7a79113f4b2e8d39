import { BEGUN, type Beginning, endOf, type Form, HEAD, headsOf } from './form.ts'
import { MASK } from './mask.ts'

/**
 * Masks values in a text that comes in pieces: what could be the beginning of one at the end of a piece is held back until it is known.
 * `forms` is asked for each piece, because secrets become known while a program runs.
 */
export class Redactor {
  readonly #forms: () => Forms
  #held = ''

  constructor(forms: () => Forms) {
    this.#forms = forms
  }

  /** What may be shown of all that came so far and was not shown yet. */
  push(piece: string): string {
    const { shown, rest } = this.#forms().scan(this.#held + piece, false)
    this.#held = rest
    return shown
  }

  /** The rest, at the end of the text. */
  end(): string {
    const rest = this.#forms().mask(this.#held)
    this.#held = ''
    return rest
  }
}

/** Bits of a hash that each character adds; so many characters later they are gone from it. */
const STEP = 5

/**
 * All forms of all values, made ready to be looked for. Of a text without any of them, each character costs one look into a table,
 * however many there are: whether the few characters that end there could be the first ones of a form.
 */
export class Forms {
  readonly #byHead = new Map<string, Beginning[]>()
  /** What a text may end with that goes on as a head. */
  readonly #cutHeads = new Set<string>()
  readonly #known = new Set<string>()
  readonly #length: number
  readonly #table: Uint8Array

  constructor(forms: readonly Form[] = []) {
    this.#length = Math.min(HEAD, ...forms.map(({ signs }) => signs.length))
    this.#table = new Uint8Array(1 << (STEP * this.#length))
    this.add(forms)
  }

  /** More forms, none of them shorter than those that are there already or than a head. */
  add(forms: readonly Form[]): void {
    for (const form of forms) {
      const name = `${form.gaps?.anyCase} ${form.signs}`
      if (this.#known.has(name)) continue
      this.#known.add(name)
      for (const [head, skip] of headsOf(form)) this.#addHead(head.slice(0, this.#length), { ...form, skip })
    }
  }

  #addHead(head: string, beginning: Beginning): void {
    const others = this.#byHead.get(head)
    if (others !== undefined) others.push(beginning)
    else {
      this.#byHead.set(head, [beginning])
      this.#table[hashOf(head) & (this.#table.length - 1)] = 1
      for (let end = 1; end < head.length; end += 1) this.#cutHeads.add(head.slice(0, end))
    }
  }

  mask(text: string): string {
    return this.scan(text, true).shown
  }

  /** What of a text is sure, masked, and the rest: from where a value may have begun that goes on behind it. Nothing follows a `whole` text. */
  scan(text: string, whole: boolean): { readonly shown: string; readonly rest: string } {
    const { found, begun } = this.#search(text, whole)
    let shown = ''
    let end = 0
    for (const [from, to] of found) {
      shown += text.slice(end, from) + MASK
      end = to
    }
    return { shown: shown + text.slice(end, begun), rest: text.slice(begun) }
  }

  /** Where values stand, those that overlap taken together, and where one begins that the text may not hold whole. */
  #search(text: string, whole: boolean): { readonly found: readonly (readonly [number, number])[]; readonly begun: number } {
    const found: [number, number][] = []
    if (this.#byHead.size === 0) return { found, begun: text.length }
    const last = (): [number, number] | undefined => found.at(-1)
    const heldFrom = (at: number): { readonly found: readonly [number, number][]; readonly begun: number } => {
      const [from, to] = last() ?? [0, 0]
      return to > at ? { found: found.slice(0, -1), begun: from } : { found, begun: at }
    }
    const table = this.#table
    const bits = table.length - 1
    const before = this.#length - 1
    let hash = 0
    for (let i = 0; i < text.length; i += 1) {
      hash = ((hash << STEP) ^ text.charCodeAt(i)) & bits
      if (table[hash] === 0 || i < before) continue
      const at = i - before
      const end = this.#endAt(text, at, whole)
      if (end === BEGUN) return heldFrom(at)
      if (end < 0) continue
      const one = last()
      if (one !== undefined && at < one[1]) one[1] = Math.max(one[1], end)
      else found.push([at, end])
    }
    for (let at = Math.max(0, text.length - before); at < text.length && !whole; at += 1)
      if (this.#cutHeads.has(text.slice(at))) return heldFrom(at)
    return { found, begun: text.length }
  }

  /** Where the longest form ends that begins at a place; whether one may be longer than the text. */
  #endAt(text: string, at: number, whole: boolean): number {
    let longest = -1
    for (const beginning of this.#byHead.get(text.slice(at, at + this.#length)) ?? []) {
      const end = endOf(beginning, text, at, whole)
      if (end === BEGUN) return BEGUN
      longest = Math.max(longest, end)
    }
    return longest
  }
}

const hashOf = (head: string): number => {
  let hash = 0
  for (let i = 0; i < head.length; i += 1) hash = ((hash << STEP) ^ head.charCodeAt(i)) & ((1 << (STEP * HEAD)) - 1)
  return hash
}
