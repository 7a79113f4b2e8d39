import type { Missing } from '../../schedule/renewal.ts'
import type { CommandContext } from '../command.ts'

export const userName = (env: CommandContext['env']): string => env.USER || (process.getuid?.() === 0 ? 'root' : 'this user')

/** Returns how to create the account of a scheduled job on its hosts. */
export const accountInstructions = (
  missing: Missing | undefined,
  { pattern, account }: { readonly pattern: string; readonly account: string },
): string => {
  if (missing === undefined) return 'The inventory already contains its account.\n'
  const run = `then run\nprovision run --role base${pattern === 'all' ? '' : ` --limit ${pattern}`}\n\n`
  if (missing.do === 'replace') return `\nThe inventory has another entry of ${account}. Replace it with this one, ${run}${missing.entry}\n`
  const repeats = 'The list replaces that of outer groups, so it repeats their entries. Change such an entry in both places later.\n'
  return `\nTo create its account, add these lines to the inventory, ${run}${missing.lines}${missing.repeats ? `\n${repeats}` : ''}`
}
