import { z } from 'zod'
import { isSecret, type Secret } from '../../secret/secret.ts'
import { Script } from '../../shell/script.ts'
import { join, sh } from '../../shell/sh.ts'
import { type Change, defineKind, type PlanContext, type Trigger, type Work } from '../kind/kind.ts'
import { absolutePath } from '../kind/path.ts'
import { HostRefusal, outputExcerpt, type Steps } from '../kind/step.ts'
import { causesOf, oweSteps, type Ran, ranScript, readRecord, recordPath, recordQueries } from './record.ts'
import { resourceNames, triggers } from './when.ts'

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
    when: resourceNames.optional().meta({
      description:
        'earlier resources of this host: run if one of them has changed since the command last succeeded. A resource, its key, or a path, which names everything declared there and below',
      examples: [['file:/etc/app.conf', 'package:app', '/etc/app/conf.d']],
    }),
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
  .refine(({ when, unless, creates }) => when !== undefined || unless !== undefined || creates !== undefined, {
    message: 'must be set, or `creates` or `when`: without a condition the command would run every time',
    path: ['unless'],
  })

export type CommandSpec = z.output<typeof schema> & { readonly triggers?: readonly Trigger[] }

export interface CommandState {
  /** `creates` and `unless` hold. True without both. */
  readonly done: boolean
  /** Returns the record of a command with `when`. A function, so that a saved plan does not compare it: an interrupted run adds debts. */
  record?(): Ran
}

const keyOfCommand = (name: string): string => `command:${name}`

/** A script with conditions under which it runs. Its change is opaque. */
export const command = defineKind({
  name: 'command',
  schema,
  id: ({ name }: CommandSpec) => name,

  // The cost of `unless` grows with the number of commands: each runs a script in a subshell. `creates` and `when` cost no process.
  observe: (specs: readonly CommandSpec[]) => {
    const records = specs.flatMap(({ name, triggers }) => (triggers === undefined ? [] : [recordQueries(keyOfCommand(name), triggers)]))
    return {
      shared: {
        inodes: records.flatMap(({ inodes }) => inodes),
        digests: records.flatMap(({ digests }) => digests),
        texts: records.flatMap(({ texts }) => texts),
      },
      script: sh`${specs.map((spec, i) => sh`if ${isDone(spec) ?? sh`:`}; then c=0; else c=1; fi; printf '%s %s\\n' ${i} "$c"`)}`,
      parse: (stdout, answers) =>
        new Map(
          [...stdout.toString().matchAll(/^(\d+) (\d+)$/gm)].flatMap(([, i, code]): [string, CommandState][] => {
            const spec = specs[Number(i)]
            if (spec === undefined) return []
            const { name, triggers } = spec
            const record = triggers === undefined ? undefined : readRecord(keyOfCommand(name), triggers, answers)
            return [[name, { done: code === '0', ...(record !== undefined && { record: () => record }) }]]
          }),
        ),
    }
  },

  plan: (spec: CommandSpec, state: CommandState, context: PlanContext): Change | undefined => {
    const record = state.record?.()
    const causes = record === undefined ? [] : causesOf(spec.triggers ?? [], record, context)
    const [first, ...more] = [
      ...(state.done ? [] : [spec.creates === undefined ? 'not done yet' : `${spec.creates} is missing`]),
      ...causes.map(({ reason }) => reason),
    ]
    if (first === undefined) return undefined
    return {
      action: 'run',
      certainty: 'opaque',
      reason: more.length === 0 ? first : `${first}, and ${more.length} more`,
      differences: [],
      ...(causes.length > 0 && { causes: causes.map(({ key }) => key) }),
      ...(causes.some(({ isOpen }) => isOpen) && { unfinished: true }),
    }
  },

  triggers: { ...triggers<CommandSpec, CommandState>(), owe: (owing) => oweSteps('command', owing) },

  // The effects of a script are unknown.
  orphan: { forget: true, record: (id) => recordPath(keyOfCommand(id)) },

  *apply(work: readonly Work<CommandSpec, CommandState>[]): Steps {
    const done: string[] = []
    for (const { id, spec, change } of work) {
      const input = typeof spec.input === 'string' ? Buffer.from(spec.input) : spec.input
      const answer = yield {
        do: 'shell',
        script: runScript(spec, change),
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

/** The condition under which there is nothing to do, if there is one beside `when`. */
const isDone = ({ unless, creates }: CommandSpec): Script | undefined => {
  const exists = creates === undefined ? undefined : sh`{ [ -e ${creates} ] || [ -L ${creates} ]; }`
  const succeeds = unless === undefined ? undefined : sh`( eval ${unless} ) >/dev/null </dev/null`
  const parts = [exists, succeeds].filter((part) => part !== undefined)
  return parts.length === 0 ? undefined : join(sh` && `, parts)
}

// Skipped if somebody, or an earlier step, has done it since the observation. The output goes to a file: a background job of the script would
// otherwise write into later answers of the persistent shell. The shell's own umask would lock out everybody but root.
const runScript = (spec: CommandSpec, { causes = [] }: Change): Script => {
  const done = causes.length > 0 ? undefined : isDone(spec)
  return sh`${done === undefined ? sh`` : sh`if ${done}; then exit 0; fi`}
output=$(mktemp "$T/XXXXXXXX") || exit 96
( umask 022; set -e; eval ${spec.run} ) >"$output" 2>&1; status=$?
tail -c 8192 "$output" >&2; rm -f "$output"; [ "$status" = 0 ] || exit "$status"
${spec.triggers === undefined ? sh`` : ranScript(keyOfCommand(spec.name), spec.triggers)}`
}
