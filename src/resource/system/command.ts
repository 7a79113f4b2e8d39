import { z } from 'zod'
import { isSecret, type Secret } from '../../secret/secret.ts'
import { Script } from '../../shell/script.ts'
import { join, sh } from '../../shell/sh.ts'
import { defineKind, type Work } from '../kind/kind.ts'
import { absolutePath } from '../kind/path.ts'
import { HostRefusal, outputExcerpt, type Steps } from '../kind/step.ts'

const script = z
  .union([z.string(), z.instanceof(Script).transform(String)], { error: 'must be a shell script' })
  .refine((text) => /^[^\0]*[^\s\0][^\0]*$/.test(text), 'must be a shell script')

const schema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[^\p{Cc}]+$/u, 'must be one line of text')
      .meta({ description: 'a short description, shown in the plan' }),
    run: script.meta({ description: 'POSIX sh, run as root; stops at the first failing command' }),
    unless: script.optional().meta({ description: 'POSIX sh that succeeds if there is nothing to do; it must change nothing' }),
    creates: absolutePath.optional().meta({ description: 'a path that exists if there is nothing to do' }),
    input: z
      .custom<string | Secret>((value) => typeof value === 'string' || isSecret(value), 'must be text or a secret')
      .optional()
      .meta({ description: 'standard input of the script, also for secrets' }),
    withinMinutes: z
      .number()
      .positive()
      .max(7 * 24 * 60)
      .optional()
      .meta({ description: 'time limit in minutes, default 30; the script is killed and fails after that' }),
  })
  .refine(({ unless, creates }) => unless !== undefined || creates !== undefined, {
    message: 'must be set, or `creates`: without a condition the command would run every time',
    path: ['unless'],
  })

export type CommandSpec = z.output<typeof schema>
export type CommandState = { readonly done: boolean }

/** A script with a condition under which it is skipped. Its change is opaque. */
export const command = defineKind({
  name: 'command',
  schema,
  id: ({ name }) => name,

  // The cost of `unless` grows with the number of commands: each runs a script in a subshell. `creates` costs no process.
  observe: (specs: readonly CommandSpec[]) => ({
    script: sh`${specs.map((spec, i) => sh`if ${conditionOf(spec)}; then c=0; else c=1; fi; printf '%s %s\\n' ${i} "$c"`)}`,
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

  // The effects of a script are unknown.
  orphan: { forget: true },

  *apply(work: readonly Work<CommandSpec, CommandState>[]): Steps {
    const done: string[] = []
    for (const { id, spec } of work) {
      const input = typeof spec.input === 'string' ? Buffer.from(spec.input) : spec.input
      const answer = yield {
        do: 'shell',
        script: runScript(spec),
        doing: `running command ${spec.name}`,
        ...(spec.withinMinutes === undefined ? {} : { withinMs: spec.withinMinutes * 60_000 }),
        ...(input === undefined ? {} : { input }),
      }
      if (answer.code !== 0)
        throw new HostRefusal(
          `command ${spec.name} failed (exit ${answer.code})`,
          outputExcerpt(answer.stderr.trim() === '' ? answer.stdout.toString() : answer.stderr),
          'fix the problem that the host reports, or the script; completed commands of the script are not undone',
          { done, culprit: id },
        )
      done.push(id)
    }
  },
})

const conditionOf = ({ unless, creates }: CommandSpec): Script => {
  const exists = creates === undefined ? undefined : sh`{ [ -e ${creates} ] || [ -L ${creates} ]; }`
  const succeeds = unless === undefined ? undefined : sh`( eval ${unless} ) >/dev/null </dev/null`
  const parts = [exists, succeeds].filter((part) => part !== undefined)
  return parts.length === 0 ? sh`false` : join(sh` && `, parts)
}

// Skipped if somebody, or an earlier step, has done it since the observation. The output goes to a file: a background job of the script would
// otherwise write into later answers of the persistent shell. The shell's own umask would lock out everybody but root.
const runScript = (spec: CommandSpec): Script => sh`if ${conditionOf(spec)}; then exit 0; fi
output=$(mktemp "$T/XXXXXXXX") || exit 96
( umask 022; set -e; eval ${spec.run} ) >"$output" 2>&1; status=$?
tail -c 8192 "$output" >&2; rm -f "$output"; exit "$status"`
