import { z } from 'zod'
import { isSecret, type Secret } from '../../secret/secret.ts'
import { quote } from '../../shell/quote.ts'
import { defineKind, type Work } from '../kind/kind.ts'
import { absolutePath } from '../kind/path.ts'
import { requireSuccess, type Steps } from '../kind/step.ts'

const script = z.string().regex(/^[^\0]*[^\s\0][^\0]*$/, 'must be a shell script')

const schema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[^\p{Cc}]+$/u, 'must be one line of text')
      .meta({ description: 'what it does, in a few words: the plan shows this' }),
    run: script.meta({ description: 'POSIX sh, run as root; it ends at its first failing line' }),
    unless: script.optional().meta({ description: 'POSIX sh that changes nothing and succeeds when there is nothing to do' }),
    creates: absolutePath.optional().meta({ description: 'a path that is there when there is nothing to do' }),
    input: z
      .custom<string | Secret>((value) => typeof value === 'string' || isSecret(value), 'must be text or a secret')
      .optional()
      .meta({ description: 'what it reads on standard input: the place for secrets' }),
    withinMinutes: z
      .number()
      .positive()
      .max(7 * 24 * 60)
      .optional()
      .meta({ description: 'how long it may take, half an hour unless told: then it is ended, and has failed' }),
  })
  .refine(({ unless, creates }) => unless !== undefined || creates !== undefined, {
    message: 'say with `unless` or `creates` how to see that it has been done, or it would run in every run',
    path: ['unless'],
  })

export type CommandSpec = z.output<typeof schema>
export type CommandState = { readonly done: boolean }

/** The escape hatch: a script, and how to see that there is nothing to do. The plan cannot look into it and says so. */
export const command = defineKind({
  name: 'command',
  schema,
  id: ({ name }) => name,

  // `unless` is the one thing whose cost grows with the resources: a script of the user's, in a subshell of its own. `creates` is free.
  observe: (specs: readonly CommandSpec[]) => ({
    script: specs.map((spec, i) => `${conditionOf(spec)}; printf '%s %s\\n' ${i} "$?"\n`).join(''),
    parse: (stdout) => {
      const results = [...stdout.toString().matchAll(/^(\d+) (\d+)$/gm)]
      return new Map(
        results.flatMap(([, i, code]) => (specs[Number(i)] === undefined ? [] : [[specs[Number(i)]?.name ?? '', { done: code === '0' }]])),
      )
    },
  }),

  plan: ({ creates }, { done }) =>
    done
      ? undefined
      : { action: 'run', certainty: 'opaque', reason: creates === undefined ? 'not done yet' : `${creates} is missing`, differences: [] },

  // What it did cannot be told from what others did.
  orphan: { forget: true },

  *apply(work: readonly Work<CommandSpec, CommandState>[]): Steps {
    for (const { spec } of work) {
      const input = typeof spec.input === 'string' ? Buffer.from(spec.input) : spec.input
      const answer = yield {
        do: 'shell',
        script: runScript(spec.run),
        doing: `running command ${spec.name}`,
        ...(spec.withinMinutes === undefined ? {} : { withinMs: spec.withinMinutes * 60_000 }),
        ...(input === undefined ? {} : { input }),
      }
      requireSuccess(answer, spec.name, 'correct what the host says, or the script; what it did before it failed stays')
    }
  },
})

const conditionOf = ({ unless, creates }: CommandSpec): string => {
  const exists = creates === undefined ? undefined : `{ [ -e ${quote(creates)} ] || [ -L ${quote(creates)} ]; }`
  const succeeds = unless === undefined ? undefined : `( eval ${quote(unless)} ) >/dev/null </dev/null`
  return [exists, succeeds].filter((part) => part !== undefined).join(' && ')
}

// Its output goes to a file: a job that it leaves in the background would otherwise talk into later answers of the held shell.
const runScript = (run: string): string => `o=$(mktemp "$T/XXXXXXXX") || exit 96
( set -e; eval ${quote(run)} ) >"$o" 2>&1; c=$?
tail -c 8192 "$o" >&2; rm -f "$o"; exit "$c"`
