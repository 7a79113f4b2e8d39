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
    const forms = this.#forms()
    const text = this.#held + piece
    const { shown, rest } = forms.scan(text)
    const begun = forms.beginningIn(rest)
    this.#held = rest.slice(begun)
    return shown + rest.slice(0, begun)
  }

  /** The rest, at the end of the text. */
  end(): string {
    const rest = this.#forms().mask(this.#held)
    this.#held = ''
    return rest
  }
}

/** All forms of all values, made ready to be looked for. */
export class Forms {
  readonly #pattern: RegExp | undefined
  readonly #byFirst = new Map<string, string[]>()
  readonly #longest: number

  constructor(forms: Iterable<string>) {
    const sorted = [...new Set(forms)].sort((a, b) => b.length - a.length)
    this.#longest = sorted[0]?.length ?? 0
    this.#pattern =
      sorted.length === 0 ? undefined : new RegExp(sorted.map((form) => form.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join('|'), 'g')
    for (const form of sorted) this.#byFirst.set(form[0] ?? '', [...(this.#byFirst.get(form[0] ?? '') ?? []), form])
  }

  mask(text: string): string {
    return this.#pattern === undefined ? text : text.replace(this.#pattern, MASK)
  }

  /** The text up to the last value in it, masked, and what follows that; a value that a longer one may continue is left in the rest. */
  scan(text: string): { readonly shown: string; readonly rest: string } {
    if (this.#pattern === undefined) return { shown: '', rest: text }
    let shown = ''
    let end = 0
    const begun = this.beginningIn(text)
    for (const { 0: found, index } of text.matchAll(this.#pattern)) {
      if (index >= begun) break
      shown += text.slice(end, index) + MASK
      end = index + found.length
    }
    return { shown, rest: text.slice(end) }
  }

  /** Where in a text a value may have begun that goes on behind it; its length where none has. */
  beginningIn(text: string): number {
    for (let at = Math.max(0, text.length - this.#longest); at < text.length; at += 1) {
      const tail = text.slice(at)
      if (this.#goesOn(tail)) return at
    }
    return text.length
  }

  #goesOn(text: string): boolean {
    return this.#byFirst.get(text[0] ?? '')?.some((form) => form.length > text.length && form.startsWith(text)) ?? false
  }
}
