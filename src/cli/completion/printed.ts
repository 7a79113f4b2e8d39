import type { Candidate } from './candidates.ts'
import type { Shell } from './scripts.ts'

/** Returns candidates as the script of a shell reads them, one per line. */
export const printed: Readonly<Record<Shell, (candidates: readonly Candidate[], line: string) => string>> = {
  // bash replaces only what follows the last of its separators.
  bash: (candidates, line) => {
    const [start = ''] = /\S*[:=@]/.exec(line.split(/\s/).at(-1) ?? '') ?? []
    return lines(candidates.map(({ word }) => word.slice(start.length)))
  },
  zsh: (candidates) =>
    lines(candidates.map(({ word, text }) => (text === '' ? word.replaceAll(':', '\\:') : `${word.replaceAll(':', '\\:')}:${text}`))),
  fish: (candidates) => lines(candidates.map(({ word, text }) => (text === '' ? word : `${word}\t${text}`))),
}

/** Control characters in a name could end its line, or reach the terminal: such a name is left out. */
const lines = (all: readonly string[]): string =>
  all
    .filter((line) => !/[\x00-\x08\x0a-\x1f\x7f]/.test(line))
    .map((line) => `${line}\n`)
    .join('')
