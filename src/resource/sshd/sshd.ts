import { z } from 'zod'
import { trialHistory } from '../guarded/trial.ts'
import { sha256Hex } from '../kind/content.ts'
import { ABSENT, typeName } from '../kind/inode.ts'
import { type Change, type Difference, defineKind } from '../kind/kind.ts'
import { applySettings } from './apply.ts'
import { DROP_INS, observeSettings, obstacleTo, type SshdState } from './observe.ts'

// They would reach beyond this file, or move sshd away from where it is looked for.
const REJECTED_KEYWORDS = ['match', 'include', 'port', 'listenaddress', 'addressfamily']

const keyword = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9]*$/, 'must be a keyword of sshd_config(5)')
  .refine(
    (word) => !REJECTED_KEYWORDS.includes(word.toLowerCase()),
    'cannot be set here: a file of your own in /etc/ssh/sshd_config.d is its place',
  )

const words = z.string().regex(/^[^\s\p{Cc}]([^\p{Cc}]*[^\s\p{Cc}])?$/u, 'must be one line that does not begin or end with a space')

const schema = z
  .strictObject({
    settings: z
      .record(keyword, z.union([words, z.number(), z.array(words).min(1)]))
      .refine((settings) => {
        const names = Object.keys(settings).map((name) => name.toLowerCase())
        return names.length > 0 && new Set(names).size === names.length
      }, 'must be settings, each of them once')
      .meta({ description: 'keywords of sshd_config(5) and their values; a list is written as that keyword wants it' }),
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9_-]*$/, 'must be a name: small letters, digits, - and _')
      .default('00-provision')
      .meta({ description: 'names the file; of several that set the same, the first in the alphabet counts' }),
    confirmSeconds: z
      .int()
      .min(5)
      .max(600)
      .default(30)
      .meta({ description: 'how long the host waits for somebody to come in under new settings before it puts the old ones back' }),
  })
  .transform((spec) => ({ ...spec, path: `${DROP_INS}/${spec.name}.conf`, text: textOf(spec.settings) }))
  .transform((spec) => ({ ...spec, sha256: sha256Hex(spec.text) }))

export type SshdSpec = z.output<typeof schema>

type Value = string | number | readonly string[]

const textOf = (settings: Readonly<Record<string, Value>>): string =>
  `# Written by provision. Changes made here are found and undone by its next run.
${Object.entries(settings)
  .flatMap(([name, value]) => linesOf(name, value))
  .join('\n')}
`

// Lists of algorithms have commas, and each host key a line of its own; all other lists are words of one line (sshd_config(5)).
const linesOf = (name: string, value: Value): readonly string[] => {
  if (typeof value === 'string' || typeof value === 'number') return [`${name} ${value}`]
  if (/^(ciphers|macs|.*algorithms)$/i.test(name)) return [`${name} ${value.join(',')}`]
  return /^host(key|certificate)$/i.test(name) ? value.map((one) => `${name} ${one}`) : [`${name} ${value.join(' ')}`]
}

/**
 * Settings of sshd, in a file of ours that it reads before all others. New settings stay only when a new connection came in under
 * them; else the host puts the old ones back by itself.
 */
export const sshd = defineKind({
  name: 'sshd',
  schema,
  id: ({ path }) => path,
  observe: observeSettings,

  plan: (spec: SshdSpec, state: SshdState): Change | undefined => {
    const differences = differencesOf(spec, state)
    const load = pendingReload(spec, state)
    const reasons = [trialHistory('settings', state), obstacleTo(spec, state), ...differences.map(reasonOf), load]
    const found = reasons.filter((reason) => reason !== undefined)
    if (found.length === 0) return undefined
    return {
      action: state.inode === ABSENT ? 'create' : 'update',
      certainty: 'exact',
      reason: found.join('; '),
      // What lies there instead of a file, or that nothing does, is the reason already.
      differences: differences.filter(({ key }) => key !== 'file'),
      ...(state.pending === 'this boot' ? { debt: true } : {}),
      ...(load === undefined ? {} : { unfinished: true }),
    }
  },

  orphan: { keep: 'how the host is logged in to does not change by leaving settings out' },
  apply: applySettings,
  diff: ({ spec, state }) => ({ before: state.text, after: spec.text }),
  files: ({ path, sha256 }) => [{ path, sha256 }],
})

const differencesOf = (spec: SshdSpec, { inode, sha256 }: SshdState): readonly Difference[] => {
  if (inode === ABSENT) return [{ key: 'file', from: 'missing' }]
  if (inode.type !== 'f') return [{ key: 'file', from: `is ${typeName(inode.type)}` }]
  const { mode, owner, group } = inode
  const access = `${mode} ${owner}:${group}`
  return [
    ...(sha256 === spec.sha256 ? [] : [{ key: 'settings' }]),
    ...(access === '644 root:root' ? [] : [{ key: 'mode and owner', from: access, to: '644 root:root' }]),
  ]
}

const reasonOf = ({ key, from }: Difference): string => (key === 'file' ? (from ?? '') : `${key} differ`)

/** Whether the daemon runs with something else than what lies there: by its stamp while that is true, else by the file's time. */
const pendingReload = ({ path, sha256 }: SshdSpec, { inode, sha256: there, service }: SshdState): string | undefined => {
  if (inode === ABSENT || there !== sha256 || !['active', 'reloading'].includes(service.active)) return undefined
  const { stamp, reloadFailed, touched } = service
  const isLoaded = stamp === undefined ? !reloadFailed && !touched : stamp.sums.get(path) === sha256
  return isLoaded ? undefined : 'sshd runs with older settings'
}
