import type { CommandContext } from '../../../src/cli/command.ts'
import { painter } from '../../../src/report/view.ts'

/** Returns a context for a command, and its output. */
export const testContext = (more: Partial<CommandContext> = {}): CommandContext & { readonly output: { out: string; err: string } } => {
  const output = { out: '', err: '' }
  return {
    directory: '/nowhere',
    env: { USER: 'tester' },
    signal: new AbortController().signal,
    out: (text) => {
      output.out += text
    },
    disclose: (text) => {
      output.out += text
    },
    err: (text) => {
      output.err += text
    },
    view: { paint: painter(false), columns: 100, verbose: false },
    live: false,
    rows: () => 24,
    output,
    ...more,
  }
}
