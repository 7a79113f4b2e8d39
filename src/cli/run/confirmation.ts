import type { Plan } from '../../engine/plan/plan.ts'
import { count } from '../../report/text.ts'
import type { CommandContext, Values } from '../command.ts'
import type { options } from './options.ts'

/**
 * Asks the person at the terminal whether to apply the plan. Returns true without a question if there is no terminal, or if the plan
 * was confirmed already: by `--yes`, or by its review as a saved plan.
 */
export const confirmation = async (
  { yes, plan: saved, json, output }: Values<typeof options>,
  { changes }: Pick<Plan, 'changes'>,
  { ask, env, signal }: Pick<CommandContext, 'ask' | 'env' | 'signal'>,
): Promise<boolean> => {
  if (ask === undefined || env.CI || yes || saved !== undefined || json || output === 'json') return true
  const answer = await ask(`\nApply ${changes.length === 1 ? 'this change' : `these ${count(changes.length, 'change')}`}? [y/N] `)
  signal.throwIfAborted()
  return /^\s*y(es)?\s*$/i.test(answer)
}
