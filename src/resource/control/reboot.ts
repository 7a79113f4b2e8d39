import { z } from 'zod'
import { firstNames } from '../../first-names.ts'
import type { Script } from '../../shell/script.ts'
import { glob, sh } from '../../shell/sh.ts'
import { sha256Hex } from '../kind/content.ts'
import { ABSENT } from '../kind/inode.ts'
import { type Change, defineKind, type Owing, type PlanContext, type Trigger, type Work } from '../kind/kind.ts'
import { inodeAt } from '../kind/queries.ts'
import { type Answer, HostRefusal, requireSuccess, type Step, type Steps } from '../kind/step.ts'
import { newerKernel } from './kernel.ts'
import { type Cause, dueBecause, resourceNames, triggers } from './when.ts'

const schema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]*$/, 'must be a name such as kernel')
    .default('host')
    .meta({ description: 'distinguishes several reboots of one host' }),
  when: resourceNames.optional().meta({
    description: 'earlier resources of this host: reboot if one of them has changed since it booted. A resource, its key, or a path',
    examples: [['file:/etc/default/grub.d/limits.cfg', 'package:linux-image-amd64']],
  }),
  ifRequired: z
    .boolean()
    .default(true)
    .meta({ description: 'also reboot if /run/reboot-required exists, or a newer kernel is installed than the running one' }),
  withinMinutes: z
    .number()
    .positive()
    .max(24 * 60)
    .default(10)
    .meta({ description: 'time limit in minutes for the return of the host; after that, the run fails for this host' }),
})

export type RebootSpec = z.output<typeof schema> & { readonly triggers?: readonly Trigger[] }

export interface RebootState {
  /** Why the system asks for a reboot. */
  readonly required?: string
  /** The host is the machine of the controller. */
  readonly isController?: true
  /** Returns the keys that changed since the host booted. A function, so that a saved plan does not compare it. */
  owed?(): readonly string[]
}

const REQUIRED = '/run/reboot-required'
const PACKAGES = '/run/reboot-required.pkgs'
const KERNEL = '/proc/sys/kernel/osrelease'

/** Prints a line for each installed kernel: a word, and the release. Builtins only. */
const kernelsScript = (word: string): Script =>
  sh`for kernel in ${glob('/boot/vmlinuz-*')}; do [ ! -f "$kernel" ] || printf ${`${word}%s\\n`} "\${kernel#/boot/vmlinuz-}"; done`

/** The values of the lines that begin with a word. */
const valuesIn = (lines: readonly string[], word: string): readonly string[] =>
  lines.flatMap((line) => (line.startsWith(`${word} `) ? [line.slice(word.length + 1)] : []))

/** In /run, because a boot settles it. */
const recordOf = (name: string): string => `/run/provision/reboot-${sha256Hex(name).slice(0, 16)}`

/** A reboot of the host, after which the run continues. The hosts of a play reboot one after the other. */
export const reboot = defineKind({
  name: 'reboot',
  summary: 'reboot of the host, after which the run continues',
  schema,
  id: ({ name }: RebootSpec) => name,

  observe: (specs: readonly RebootSpec[]) => ({
    shared: { inodes: [REQUIRED], texts: [PACKAGES, KERNEL, ...specs.map(({ name }) => recordOf(name))] },
    script: sh`${kernelsScript('kernel ')}
[ "\${connection-}" ] || echo controller`,
    parse: (stdout, answers) => {
      const lines = stdout.toString().split('\n')
      const kernels = valuesIn(lines, 'kernel')
      const [running = ''] = answers.texts.get(KERNEL) ?? []
      const asked = inodeAt(answers, REQUIRED) !== ABSENT
      const newer = newerKernel(running, kernels)
      const required = asked
        ? askedBy(answers.texts.get(PACKAGES) ?? [])
        : newer === undefined
          ? undefined
          : `kernel ${newer} is installed, ${running} runs`
      return new Map(
        specs.map(({ name }): [string, RebootState] => {
          const owed = valuesIn(answers.texts.get(recordOf(name)) ?? [], 'owed')
          return [
            name,
            {
              ...(required !== undefined && { required }),
              ...(lines.includes('controller') && { isController: true }),
              owed: () => owed,
            },
          ]
        }),
      )
    },
  }),

  plan: (spec: RebootSpec, state: RebootState, context: PlanContext): Change | undefined => {
    const causes = causesOf(spec, state, context)
    const reasons = [...causes.map(({ reason }) => reason), ...(spec.ifRequired && state.required !== undefined ? [state.required] : [])]
    const due = dueBecause(reasons, causes)
    const change = { action: 'run', differences: [] } as const
    if (due !== undefined) return { ...change, ...due, certainty: causes.every(({ isOpen }) => isOpen) ? 'exact' : 'dependent' }
    return spec.ifRequired && mayAsk(context)
      ? { ...change, certainty: 'dependent', reason: 'if the system asks for it after the changes before' }
      : undefined
  },

  forbids: (_, { isController }) =>
    isController === true
      ? new HostRefusal(
          'host cannot be rebooted',
          'provision itself runs on this machine',
          'remove the reboot from this host, or run provision on another machine',
        )
      : undefined,

  triggers: { ...triggers<RebootSpec, RebootState>(), owe: oweReboot },
  // One after the other: two hosts of a play can be members of a cluster.
  sequence: (_, members) => [...members.keys()].toSorted(),
  queue: 'reboot',
  orphan: { forget: true },

  *apply(work: readonly Work<RebootSpec, RebootState>[]): Steps {
    for (const { id, spec, change } of work) {
      const isCaused = (change.causes ?? []).length > 0
      if (!isCaused && !(yield* isAsked(id))) continue
      requireSuccess(
        yield { do: 'reboot', withinMs: spec.withinMinutes * 60_000, reason: change.reason },
        `reboot ${id} did not happen`,
        'repair what the host reports, then run again',
      )
    }
  },
})

/** Whether the system asks for a reboot now, after the changes before it. */
function* isAsked(id: string): Generator<Step, boolean, Answer> {
  const answer = yield {
    do: 'shell',
    doing: `asking whether reboot ${id} is needed`,
    script: sh`[ ! -e ${REQUIRED} ] || echo asked
cat ${KERNEL}
${kernelsScript('')}`,
  }
  const [first = '', ...rest] = answer.stdout.toString().trim().split('\n')
  return first === 'asked' || newerKernel(first, rest) !== undefined
}

const askedBy = (packages: readonly string[]): string => {
  const names = [...new Set(packages.map((line) => line.trim()).filter((line) => /^[a-z0-9][a-z0-9+.:-]*$/.test(line)))]
  return names.length === 0 ? 'the system asks for it' : `${firstNames(names)} asked for it`
}

const causesOf = ({ triggers: named = [] }: RebootSpec, { owed }: RebootState, { changes }: PlanContext): readonly Cause[] =>
  named.flatMap(({ key }): readonly Cause[] => {
    if (changes(key)) return [{ key, reason: `because ${key} changes`, isOpen: false }]
    return owed?.().includes(key) ? [{ key, reason: `because ${key} changed after the host booted`, isOpen: true }] : []
  })

/** A package or a script of this run can leave the request of the system. */
const mayAsk = ({ mayBringMore, opaquePending, packagesPending, anyPackagesPending }: PlanContext): boolean =>
  mayBringMore === true || opaquePending === true || packagesPending || anyPackagesPending === true

function* oweReboot(owing: readonly Owing<RebootSpec, RebootState>[]): Steps {
  const script = sh`mkdir -p /run/provision || exit
${owing.map(({ id, keys }) => sh`printf '%s\\n' ${keys.map((key) => `owed ${key}`)} >>${recordOf(id)} || exit`)}`
  requireSuccess(yield { do: 'shell', script, doing: 'recording that a reboot is due' }, 'the record of a due reboot was not written')
}
