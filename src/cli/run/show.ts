import type { SavedPlan } from '../../engine/plan/saved.ts'
import { attentionLines } from '../../report/plan/attention.ts'
import { placeLines, planHeadline } from '../../report/plan/headline.ts'
import { planLines } from '../../report/plan/lines.ts'
import { inLine, wrapWords } from '../../report/text.ts'
import type { View } from '../../report/view.ts'
import { quote } from '../../shell/quote.ts'
import { defineCommand, type Options } from '../command.ts'
import { usageError } from '../parse.ts'
import { loadPlan } from '../plan-file.ts'

const options = {
  verbose: { type: 'boolean', short: 'v', help: 'show one line per change, also of a long plan' },
} as const satisfies Options

/** `provision show`: prints a saved plan. */
export const command = defineCommand({
  usage: ['show FILE'],
  options,
  maxPositionals: 1,
  notes: ['A plan file contains no contents and no diffs. `provision run --plan FILE` applies it; with --dry-run, it shows the diffs.'],
  run: async ({ positionals: [file], values }, { directory, out, view }) => {
    if (file === undefined) throw usageError('show', 'no plan file is given', 'write provision show FILE')
    out(`${savedLines(file, loadPlan(directory, file), { ...view, verbose: values.verbose ?? false }).join('\n')}\n`)
    return 0
  },
})

/** Returns the lines of a saved plan: when and for what it was saved, then its changes. */
const savedLines = (file: string, saved: SavedPlan, view: View): readonly string[] => {
  const { scope, manners } = saved
  const changes = saved.changes.map(({ host, role, resource, action, certainty, play }) => ({
    ...{ host, role, resource, action, certainty, play },
    reason: '',
    differences: [],
  }))
  const flags = [
    ...(scope.inventory === undefined ? [] : [`--inventory ${quote(scope.inventory)}`]),
    ...scope.limit.map((pattern) => `--limit ${quote(pattern)}`),
    ...scope.roles.map((name) => `--role ${quote(name)}`),
    ...(scope.prune ? ['--prune'] : []),
    ...scope.allowDataLoss.map((host) => `--allow-data-loss ${quote(host)}`),
    ...scope.retire.map((host) => `--retire ${quote(host)}`),
  ]
  const origin = ['provision run', ...scope.playbooks.map(quote), ...flags].join(' ')
  const paragraph = (text: string): readonly string[] => wrapWords(inLine(text), view.columns).map(view.paint.dim)
  const attention = attentionLines({ changes }, view)
  return [
    ...paragraph(`Saved ${saved.saved} by provision ${saved.provision}, of ${origin}`),
    '',
    ...(changes.length === 0
      ? ['No changes']
      : [planHeadline({ changes }, view), ...placeLines({ changes }, view), ...(attention.length === 0 ? [] : ['', ...attention])]),
    ...planLines({ changes, rollouts: manners }, [], view),
    '',
    ...paragraph(`Apply it: provision run --plan ${quote(file)}`),
  ]
}
