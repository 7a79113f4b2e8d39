import { firstNames } from '../../first-names.ts'
import { keyOf } from '../../resource/kind/kind.ts'
import type { Run, RunHost } from '../run-state.ts'
import { type AppliedBatch, kindOf, problemsOfChange, workOf } from './play.ts'
import { runSteps, stepContextOf } from './run-steps.ts'

/**
 * Reverts changes of a host, the last one first, if their kinds support it, and names those that stay. True if at least one was reverted.
 */
export const revert = async (run: Run, runHost: RunHost, made: readonly AppliedBatch[]): Promise<boolean> => {
  const { session } = runHost
  let some = false
  const kept: string[] = []
  for (const { pending, changes } of made.toReversed()) {
    try {
      const steps = kindOf(pending)?.revert?.(pending.map((one) => workOf(run, one)))
      if (steps === undefined) {
        kept.unshift(...pending.map(({ resource }) => keyOf(resource).replace(':', ' ')))
        continue
      }
      await runSteps(steps, session, stepContextOf(run), 'restoring the previous state')
      for (const change of changes) run.progress.reverted(change)
      some = true
    } catch (error) {
      run.progress.exclude(session.host, problemsOfChange(error, runHost, changes[0]))
      break
    } finally {
      run.listen({ type: 'doing', host: session.host, what: undefined })
    }
  }
  if (kept.length > 0) run.listen({ type: 'warning', host: session.host, what: stays(kept) })
  return some
}

const stays = (kept: readonly string[]): string => `these changes cannot be reverted and stay: ${firstNames(kept, 5)}`
