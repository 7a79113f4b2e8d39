import { BEGUN, type Beginning, endOf, type Form, HEAD, headsOf } from './form.ts'
import { MASK } from './mask.ts'

/**
 * Masks values in a text that arrives in chunks. Holds back the end of a chunk that may be the beginning of a value.
 * Calls `forms` for each chunk, because new secrets are registered while the program runs.
 */
export class Redactor {
  readonly #forms: () => Forms
  #held = ''

  constructor(forms: () => Forms) {
    this.#forms = forms
  }

  /** Returns the text that is safe to print now. */
  push(chunk: string): string {
    const { shown, rest } = this.#forms().scan(this.#held + chunk, false)
    this.#held = rest
    return shown
  }

  /** Returns the rest at the end of the text. */
  end(): string {
    const rest = this.#forms().mask(this.#held)
    this.#held = ''
    return rest
  }
}

/** Bits by which the hash is shifted for each character, so that old characters drop out. */
const STEP = 5

/**
 * Index of all forms of all values. A text without a match costs one table lookup per character, independent of the number of forms:
 * a rolling hash of the last characters shows whether they may begin a form.
 */
export class Forms {
  readonly #byHead = new Map<string, Beginning[]>()
  /** Proper prefixes of heads, which may be at the end of a text. */
  readonly #headPrefixes = new Set<string>()
  readonly #known = new Set<string>()
  readonly #length: number
  readonly #table: Uint8Array

  constructor(forms: readonly Form[] = []) {
    this.#length = Math.min(HEAD, ...forms.map(({ characters }) => characters.length))
    this.#table = new Uint8Array(1 << (STEP * this.#length))
    this.add(forms)
  }

  /** Adds forms. None may be shorter than a head or than the existing forms. */
  add(forms: readonly Form[]): void {
    for (const form of forms) {
      const name = `${form.gaps?.minimum} ${form.characters}`
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
      for (let end = 1; end < head.length; end += 1) this.#headPrefixes.add(head.slice(0, end))
    }
  }

  mask(text: string): string {
    return this.scan(text, true).shown
  }

  /** Returns the masked beginning of a text, and the rest in which an incomplete value may begin. With `whole`, nothing follows the text. */
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

  /** Returns the ranges of values, with overlapping ones merged, and the start of a value that may be incomplete. */
  #search(text: string, whole: boolean): { readonly found: readonly (readonly [number, number])[]; readonly begun: number } {
    const found: [number, number][] = []
    const last = (): [number, number] | undefined => found.at(-1)
    const heldFrom = (at: number): { readonly found: readonly [number, number][]; readonly begun: number } => {
      const previous = last()
      return previous !== undefined && at < previous[1] ? { found: found.slice(0, -1), begun: previous[0] } : { found, begun: at }
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
      const previous = last()
      if (previous !== undefined && at < previous[1]) previous[1] = Math.max(previous[1], end)
      else found.push([at, end])
    }
    for (let at = Math.max(0, text.length - before); at < text.length && !whole; at += 1)
      if (this.#headPrefixes.has(text.slice(at))) return heldFrom(at)
    return { found, begun: text.length }
  }

  /** Returns the end of the longest form at a position, or `BEGUN` if one may continue after the text. */
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

/** Its low bits are those of the rolling hash after these characters. */
const hashOf = (head: string): number => {
  let hash = 0
  for (let i = 0; i < head.length; i += 1) hash = (hash << STEP) ^ head.charCodeAt(i)
  return hash
}
