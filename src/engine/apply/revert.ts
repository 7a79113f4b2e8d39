import { problemsIn } from '../../problem.ts'
import { HostRefusal } from '../../resource/kind/step.ts'
import type { Run, RunHost } from '../run-state.ts'
import { type AppliedBatch, kindOf, refusal, stepContextOf, workOf } from './play.ts'
import { runSteps } from './run-steps.ts'

/** Puts back what changes have replaced on a host, the last first, where their kinds know how. True when there was something to put back. */
export const revert = async (run: Run, surveyed: RunHost, made: readonly AppliedBatch[]): Promise<boolean> => {
  const { session } = surveyed
  let some = false
  for (const { due, changes } of made.toReversed()) {
    const steps = kindOf(due)?.revert?.(due.map((one) => workOf(run, one)))
    if (steps === undefined) continue
    try {
      await runSteps(steps, session, stepContextOf(run), 'putting back what it had before')
      for (const change of changes) run.listen({ type: 'reverted', change })
      some = true
    } catch (error) {
      const problems = error instanceof HostRefusal ? [refusal(error, surveyed, changes[0])] : problemsIn(error)
      if (problems === undefined) throw error
      run.progress.exclude(session.host, problems)
      break
    } finally {
      run.listen({ type: 'doing', host: session.host, what: undefined })
    }
  }
  return some
}
