import { z } from 'zod'
import { defineKind, type Trigger, type Work } from '../kind/kind.ts'
import { execute } from './execute.ts'
import { hasCondition, NO_CONDITION, runOptions, shellScript } from './options.ts'
import { type RunState, runMembers } from './plan.ts'

const { name, ...options } = runOptions

const schema = z
  .strictObject({
    name,
    run: shellScript.meta({ description: 'POSIX sh; stops at the first failing command' }),
    ...options,
  })
  .refine(hasCondition, NO_CONDITION)

export type CommandSpec = z.output<typeof schema> & { readonly triggers?: readonly Trigger[] }

/** Shell code with conditions under which it runs. Its change is opaque. */
export const command = defineKind({
  name: 'command',
  summary: 'shell code, with conditions under which it runs',
  schema,
  ...runMembers<CommandSpec>('command'),
  apply: (work: readonly Work<CommandSpec, RunState>[]) => execute(work, { kind: 'command', program: ({ run }) => ({ code: run }) }),
})
