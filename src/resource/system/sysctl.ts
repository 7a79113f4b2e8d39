import { z } from 'zod'
import type { Script } from '../../shell/script.ts'
import { glob, join, sh } from '../../shell/sh.ts'
import { sha256Hex } from '../kind/content.ts'
import { describeDifferences, differing } from '../kind/differences.ts'
import { defineKind, type PlanContext, type Work } from '../kind/kind.ts'
import { inTurn } from '../kind/one-by-one.ts'
import type { Answers } from '../kind/queries.ts'
import { HostRefusal } from '../kind/step.ts'
import { CHANGED } from '../kind/walk.ts'

const schema = z.strictObject({
  key: z
    .string()
    .regex(/^[A-Za-z0-9_-]+([./]([A-Za-z0-9_:.@-]+|\*(?=[./])))+$/, 'must be a kernel setting such as net.ipv4.ip_forward')
    .refine((key) => !key.split('/').some((part) => part === '.' || part === '..'), 'must not contain . or .. as a part')
    .meta({
      description:
        'as in sysctl(8); with slashes if a name contains a dot (net/ipv4/conf/eth0.5/rp_filter); * matches every name (net.ipv4.conf.*.rp_filter)',
    }),
  value: z
    .union([z.int(), z.string().regex(/^[^\p{Cc}]*[^\p{Cc} ][^\p{Cc}]*$/u, 'must be one line of text')])
    .transform((value) => squeeze(String(value))),
  optional: z.boolean().default(false).meta({ description: 'ignore the setting on a kernel that lacks it' }),
})

// The kernel prints lists with tabs and accepts spaces.
const squeeze = (value: string): string => value.trim().replaceAll(/[ \t]+/g, ' ')

export type SysctlSpec = z.output<typeof schema>

export interface SysctlState {
  /** Current value; several settings of a pattern are joined. Undefined if the kernel lacks the setting. */
  readonly live: string | undefined
  /** Value in our file for the next boot. */
  readonly boot: string | undefined
  /** A path of the setting that root cannot write: a container shares it with its machine. */
  readonly readOnly?: string
}

/** A kernel setting, now and after a boot. */
export const sysctl = defineKind({
  name: 'sysctl',
  summary: 'kernel setting, now and after a boot',
  schema,
  id: (spec) => idOf(spec),

  observe: (specs: readonly SysctlSpec[]) => ({
    shared: { texts: specs.map(bootFile), patterns: specs.map(live) },
    // Builtins only. access(2) knows read-only mounts and namespaces, which the mode of a file does not show.
    script: sh`for p in ${join(
      sh` `,
      specs.map((spec) => glob(live(spec))),
    )}; do [ ! -e "$p" ] || [ -w "$p" ] || printf 'read-only %s\\n' "$p"; done`,
    parse: (stdout, answers) => {
      const readOnly = stdout
        .toString()
        .split('\n')
        .flatMap((line) => (line.startsWith('read-only ') ? [line.slice('read-only '.length)] : []))
      return new Map(specs.map((spec): [string, SysctlState] => [idOf(spec), stateOf(spec, answers, readOnly)]))
    },
  }),

  plan: ({ value, optional }, state, context) => {
    if (optional && state.live === undefined) return undefined
    const certainty = state.live === undefined && mayAppear(context) ? 'dependent' : 'exact'
    const isSet = isSame(value, state.live)
    if (state.boot === undefined) {
      const reason = isSet ? 'not set for the next boot' : 'not set'
      return { action: 'create', certainty, reason, differences: isSet ? [] : differing({ value }, { value: state.live }) }
    }
    const differences = [
      ...(isSet ? [] : differing({ value }, { value: state.live })),
      ...differing({ 'value at boot': value }, { 'value at boot': state.boot }),
    ]
    return differences.length === 0 ? undefined : { action: 'update', certainty, reason: describeDifferences(differences), differences }
  },

  forbids: (spec, { live: value, readOnly }, context) => {
    if ((value === undefined && spec.optional) || isSame(spec.value, value)) return undefined
    if (readOnly !== undefined)
      return new HostRefusal(
        `kernel setting ${idOf(spec)} cannot be changed on this host`,
        `${readOnly} is read-only, as in a container${value === undefined ? '' : `; its value is ${value}`}`,
        'set it on the machine that runs the container, or remove it from the role',
      )
    if (value !== undefined || mayAppear(context)) return undefined
    return new HostRefusal(
      `kernel has no setting ${idOf(spec)}`,
      `${live(spec)} does not exist`,
      'check the name, load the module that has the setting first, or set optional: true',
    )
  },

  apply: (work: readonly Work<SysctlSpec, SysctlState>[]) =>
    inTurn(work, scriptOf, {
      doing: 'setting kernel parameters',
      before: compareScript(work),
      failed: (id) => `kernel parameter ${id} not set`,
      fix: 'check that the kernel has the setting and accepts the value, and that the host may change it (containers often may not)',
    }),

  contained: true,
  orphan: { delete: 'file', note: 'the kernel keeps the value until the next boot' },
  files: (spec) => [{ path: bootFile(spec), sha256: sha256Hex(bootLine(spec)) }],
})

const slashed = ({ key }: SysctlSpec): string => (key.includes('/') ? key : key.replaceAll('.', '/'))
const idOf = (spec: SysctlSpec): string => slashed(spec).replaceAll('/', '.')
const live = (spec: SysctlSpec): string => `/proc/sys/${slashed(spec)}`

/** Sorts after the files of the distribution and /etc/sysctl.conf (`99-sysctl.conf`): the last file wins at boot. */
const bootFile = (spec: SysctlSpec): string => `/etc/sysctl.d/zz-provision.${idOf(spec).replaceAll('*', '+')}.conf`
const bootLine = (spec: SysctlSpec): string => `${slashed(spec)} = ${spec.value}\n`

const patternOf = (spec: SysctlSpec): RegExp => new RegExp(`^${live(spec).replaceAll('.', '\\.').replaceAll('*', '[^/]+')}$`)

const stateOf = (spec: SysctlSpec, { texts }: Answers, readOnly: readonly string[]): SysctlState => {
  const pattern = patternOf(spec)
  const values = new Set([...texts].filter(([path]) => pattern.test(path)).map(([, [line = '']]) => squeeze(line)))
  const [key, value] = (texts.get(bootFile(spec))?.[0] ?? '').split(/ = (.*)/s)
  const fixed = readOnly.find((path) => pattern.test(path))
  return {
    live: values.size === 0 ? undefined : [...values].join(' or '),
    boot: key === slashed(spec) && value !== undefined ? value : undefined,
    ...(fixed !== undefined && { readOnly: fixed }),
  }
}

/** Whether an earlier change of this run may load the module that has the setting: a package, a script, rules of the firewall. */
const mayAppear = ({ anyPackagesPending, packagesPending, opaquePending, changesBelow }: PlanContext): boolean =>
  packagesPending ||
  anyPackagesPending === true ||
  opaquePending === true ||
  ['/etc/modules-load.d', '/etc/provision/nftables', '/etc/systemd/system'].some((directory) => changesBelow?.(directory) === true)

/**
 * Whether the kernel has this value. It prints numbers in decimal, and accepts hexadecimal and octal ones; it joins the ranges of a list; and
 * a list that is shorter than its own sets only the first numbers (kernel.printk).
 */
const isSame = (wanted: string, value: string | undefined): boolean => {
  if (value === undefined || wanted === value) return wanted === value
  const [mine, its] = [numbersOf(wanted), numbersOf(value)]
  if (![...mine, ...its].includes(undefined)) return mine.length <= its.length && mine.every((number, i) => number === its[i])
  const ranges = rangesIn(wanted)
  return ranges !== undefined && ranges === rangesIn(value)
}

const numbersOf = (list: string): readonly (bigint | undefined)[] => list.split(' ').map(numberOf)

/** A number as the kernel reads it: `0x` is hexadecimal, a leading zero octal. */
const numberOf = (word: string): bigint | undefined => {
  const [, sign = '', digits = ''] = /^([+-]?)(0x[0-9a-f]{1,16}|0[0-7]{0,22}|[1-9]\d{0,19})$/i.exec(word) ?? []
  if (digits === '') return undefined
  const number = BigInt(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits)
  return sign === '-' ? -number : number
}

const RANGES = /^\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*$/

/** The ranges of a list such as `8080,8081,9000-9002`, joined as the kernel does. */
const rangesIn = (list: string): string | undefined => {
  if (!RANGES.test(list)) return undefined
  const ranges = [...list.matchAll(/(\d+)(?:-(\d+))?/g)].map(([, from, to = from]) => ({ from: Number(from), to: Number(to) }))
  const joined: { from: number; to: number }[] = []
  for (const { from, to } of ranges.toSorted((a, b) => a.from - b.from)) {
    const last = joined.at(-1)
    if (last !== undefined && from <= last.to + 1) last.to = Math.max(last.to, to)
    else joined.push({ from, to })
  }
  return JSON.stringify(joined)
}

/**
 * Refuses settings that somebody changed since the observation, before the first is set: one setting can change another. A setting that the
 * kernel did not have may come with a module that this run loads. The shell cannot read a setting itself: it reads single bytes, and the
 * kernel answers the first read of a number only.
 */
const compareScript = (work: readonly Work<SysctlSpec, SysctlState>[]): Script => sh`
compare() {
  [ "$2" = "$3" ] || [ "$2" = "$4" ] || { printf 'culprit\\0%s\\0' "$1"; printf '%s is "%s" and was observed as "%s"\\n' "$1" "$2" "$3" >&2; exit ${CHANGED}; }
}
add() { case " or $now or " in *" or $* or "*) ;; *) now=\${now:+$now or }$* ;; esac; }
set -f
${work.map(
  ({
    id,
    spec,
    state,
  }) => sh`now=; set +f; for setting in ${glob(live(spec))}; do set -f; value=$(head -n 1 "$setting" 2>/dev/null) && add $value; done
${state.live === undefined ? sh`:` : sh`compare ${id} "$now" ${state.live} ${spec.value}`}
now=; { IFS= read -r value; } 2>/dev/null <${bootFile(spec)} && case $value in ${slashed(spec)}' = '*) now=\${value#*' = '} ;; esac
compare ${id} "$now" ${state.boot ?? ''} ${spec.value}`,
)}
set +f`

// The kernel is set first, so a rejected value is not written to the boot file.
const scriptOf = ({ spec, state }: Work<SysctlSpec, SysctlState>): Script => {
  const file = bootFile(spec)
  const set = isSame(spec.value, state.live)
    ? sh``
    : sh`for setting in ${glob(live(spec))}; do printf '%s\\n' ${spec.value} >"$setting"; done`
  return sh`${set}
umask 022; mkdir -p /etc/sysctl.d; printf %s ${bootLine(spec)} >${file}.new; chmod 644 ${file}.new
sync ${file}.new; mv -f ${file}.new ${file}`
}
