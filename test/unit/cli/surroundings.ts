import type { Surroundings } from '../../../src/cli/command.ts'
import { painter } from '../../../src/report/view.ts'

/** What a command is given in a test, and what it has said. */
export const surroundings = (more: Partial<Surroundings> = {}): Surroundings & { readonly said: { out: string; err: string } } => {
  const said = { out: '', err: '' }
  return {
    directory: '/nowhere',
    env: { USER: 'tester' },
    signal: new AbortController().signal,
    out: (text) => {
      said.out += text
    },
    disclose: (text) => {
      said.out += text
    },
    err: (text) => {
      said.err += text
    },
    view: { paint: painter(false), columns: 100, verbose: false },
    live: false,
    rows: () => 24,
    said,
    ...more,
  }
}
