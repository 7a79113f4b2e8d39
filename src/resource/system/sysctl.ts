import { z } from 'zod'
import type { Script } from '../../shell/script.ts'
import { glob, sh } from '../../shell/sh.ts'
import { sha256Hex } from '../kind/content.ts'
import { describeDifferences, differing } from '../kind/differences.ts'
import { defineKind, type Work } from '../kind/kind.ts'
import { inTurn } from '../kind/one-by-one.ts'
import type { Answers } from '../kind/queries.ts'

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
}

/** A kernel setting, now and after a boot. */
export const sysctl = defineKind({
  name: 'sysctl',
  schema,
  id: (spec) => idOf(spec),

  observe: (specs: readonly SysctlSpec[]) => ({
    shared: { texts: specs.map(bootFile), patterns: specs.map(live) },
    script: sh``,
    parse: (_, answers) => new Map(specs.map((spec): [string, SysctlState] => [idOf(spec), stateOf(spec, answers)])),
  }),

  plan: ({ value, optional }, state) => {
    if (optional && state.live === undefined) return undefined
    if (state.boot === undefined) {
      const reason = state.live === value ? 'not set for the next boot' : 'not set'
      return { action: 'create', certainty: 'exact', reason, differences: differing({ value }, { value: state.live }) }
    }
    const differences = [
      ...differing({ value }, { value: state.live }),
      ...differing({ 'value at boot': value }, { 'value at boot': state.boot }),
    ]
    return differences.length === 0
      ? undefined
      : { action: 'update', certainty: 'exact', reason: describeDifferences(differences), differences }
  },

  apply: (work: readonly Work<SysctlSpec, SysctlState>[]) =>
    inTurn(work, scriptOf, {
      doing: 'setting kernel parameters',
      failed: (id) => `kernel parameter ${id} not set`,
      fix: 'check that the kernel has the setting and accepts the value, and that the host may change it (containers often may not)',
    }),

  orphan: { delete: 'file', note: 'the kernel keeps the value until the next boot' },
  files: (spec) => [{ path: bootFile(spec), sha256: sha256Hex(bootLine(spec)) }],
})

const slashed = ({ key }: SysctlSpec): string => (key.includes('/') ? key : key.replaceAll('.', '/'))
const idOf = (spec: SysctlSpec): string => slashed(spec).replaceAll('/', '.')
const live = (spec: SysctlSpec): string => `/proc/sys/${slashed(spec)}`

/** Sorts after the files of the distribution and /etc/sysctl.conf (`99-sysctl.conf`): the last file wins at boot. */
const bootFile = (spec: SysctlSpec): string => `/etc/sysctl.d/zz-provision.${idOf(spec).replaceAll('*', '+')}.conf`
const bootLine = (spec: SysctlSpec): string => `${slashed(spec)} = ${spec.value}\n`

const stateOf = (spec: SysctlSpec, { texts }: Answers): SysctlState => {
  const pattern = new RegExp(`^${live(spec).replaceAll('.', '\\.').replaceAll('*', '[^/]+')}$`)
  const values = new Set([...texts].filter(([path]) => pattern.test(path)).map(([, [line = '']]) => squeeze(line)))
  const [key, value] = (texts.get(bootFile(spec))?.[0] ?? '').split(/ = (.*)/s)
  return {
    live: values.size === 0 ? undefined : [...values].join(' or '),
    boot: key === slashed(spec) && value !== undefined ? value : undefined,
  }
}

// The kernel is set first, so a rejected value is not written to the boot file.
const scriptOf = ({ spec }: Work<SysctlSpec, SysctlState>): Script => {
  const file = bootFile(spec)
  return sh`for setting in ${glob(live(spec))}; do printf '%s\\n' ${spec.value} >"$setting"; done
umask 022; mkdir -p /etc/sysctl.d; printf %s ${bootLine(spec)} >${file}.new; chmod 644 ${file}.new
sync ${file}.new; mv -f ${file}.new ${file}`
}
