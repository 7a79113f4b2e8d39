// Mutations of text that others execute: scripts, units and configuration.
import type { Edit } from './mutations.ts'

/** Mutations of the part of a template literal from `start` to `end`: each whole line is left out once, each word of a line once. */
export const linesOfTemplate = (source: string, start: number, end: number): readonly Edit[] => {
  const edits: Edit[] = []
  for (let from = start; from < end; ) {
    const newline = source.indexOf('\n', from)
    const to = newline === -1 || newline >= end ? end : newline
    const line = source.slice(from, to)
    // A line that begins or ends at a value is not whole; a comment is not executed, and the description of a unit is for people.
    const whole = (from > start || source[from - 1] === '`') && (to < end || source[end] === '`')
    if (!/^\s*(#|\/\/|Description=|$)/.test(line)) {
      if (whole && /\s/.test(line.trim())) edits.push({ start: from, end: to, replacement: '' })
      edits.push(...words(source, from, to))
    }
    from = to + 1
  }
  return edits
}

/** Leaves out each word of a text of several words that is an option, a number, an operator or a setting. Plain prose has none. */
export const words = (source: string, start: number, end: number): readonly Edit[] =>
  [...source.slice(start, end).matchAll(/(?<=^|\s)\S+(?=\s|$)/g)]
    // `read -r` differs from `read` only where a line contains a backslash.
    .filter(([word], i, all) => all.length > 1 && !(word === '-r' && all[i - 1]?.[0] === 'read'))
    .filter(([word]) => /^(-{1,2}[a-zA-Z].*|!|.*\d.*|\|\||&&|.*[=:]\S+)$/.test(word))
    .map((match) => {
      const [word] = match
      const at = start + match.index
      const replacement = word === '||' ? '&&' : word === '&&' ? '||' : ''
      return { start: at, end: at + word.length, replacement }
    })
