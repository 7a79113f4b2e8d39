import { CONTROLLER, type PlannedChange } from '../../engine/plan/plan.ts'
import type { Ending } from '../report.ts'
import { wrapWords } from '../text.ts'
import type { View } from '../view.ts'

/** Returns what to do after a run that created keys of the site, or that applied a role to a host for the first time. */
export const nextSteps = (
  { plan, dryRun, interrupted, outcome }: Ending,
  isApplied: (change: PlannedChange) => boolean,
  { paint, columns }: View,
): readonly string[] => {
  if (dryRun || interrupted || outcome.result !== 'changed') return []
  const applied = plan.changes.filter(isApplied)
  const madeKeys = applied.some(({ host }) => host === CONTROLLER)
  const isNew = applied.some(({ action, bookkeeping }) => bookkeeping === true && action === 'create')
  const steps = [
    ...(madeKeys
      ? [
          'Commit identities/. It contains the keys of the site, encrypted.',
          'Keep a copy of your age key, ~/.config/provision/age.txt, in a safe place. Without it, nobody can decrypt them.',
        ]
      : []),
    ...(madeKeys || isNew ? ['Check the services: provision verify'] : []),
  ]
  if (steps.length === 0) return []
  return [
    '',
    paint.bold('Next'),
    ...steps.flatMap((step) => wrapWords(step, columns - 4).map((line, i) => `  ${i === 0 ? '•' : ' '} ${line}`)),
  ]
}
