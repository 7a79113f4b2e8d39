/**
 * Text of a POSIX shell script. Made by the tag `sh`, which quotes every value, or by `raw`, which does not.
 * `String(script)`, or a script in a plain template, gives its text.
 */
export class Script {
  readonly text: string
  /** Quotes, substitutions and here-documents that begin in it end in it. */
  readonly isBalanced: boolean
  /** It ends in a comment or a here-document: only a new line can follow. */
  readonly endsLine: boolean

  constructor(text: string, { isBalanced, endsLine }: { readonly isBalanced: boolean; readonly endsLine: boolean }) {
    this.text = text
    this.isBalanced = isBalanced
    this.endsLine = endsLine
  }

  toString(): string {
    return this.text
  }
}

/** Text as it is, unquoted, in any position. It must not hold a value from outside the program. */
export const raw = (text: string): Script => new Script(text, { isBalanced: false, endsLine: false })

/** A script that is still written as text. */
export type ShellText = string | Script

/**
 * Returns a script of a project's role or kind. Their types are stripped without being checked, so it may be plain text, which is used as it
 * is. Throws a TypeError for anything else.
 */
export const scriptOf = (script: ShellText): Script => {
  if (script instanceof Script) return script
  if (typeof script !== 'string') throw new TypeError(`a script must be written with the tag sh; it is of type ${typeof script}`)
  return new Script(script, { isBalanced: true, endsLine: false })
}
