import { z } from 'zod'
import { sha256Hex } from '../kind/content.ts'
import { accountName } from '../kind/path.ts'

export const DROP_INS = '/etc/ssh/sshd_config.d'

// These affect other files, or move sshd away from its known address.
const REJECTED_KEYWORDS = ['match', 'include', 'port', 'listenaddress', 'addressfamily']

const keyword = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9]*$/, 'must be a keyword of sshd_config(5)')
  .refine(
    (word) => !REJECTED_KEYWORDS.includes(word.toLowerCase()),
    'must not be set here: declare a separate file in /etc/ssh/sshd_config.d for it',
  )

const words = z.string().regex(/^[^\s\p{Cc}]([^\p{Cc}]*[^\s\p{Cc}])?$/u, 'must be one line that does not begin or end with a space')

const settings = z.record(keyword, z.union([words, z.number(), z.array(words).min(1)])).refine((given) => {
  const names = Object.keys(given).map((name) => name.toLowerCase())
  return names.length > 0 && new Set(names).size === names.length
}, 'must contain settings, each of them once')

const match = z.strictObject({
  users: z
    .array(accountName)
    .min(1)
    .meta({ description: 'accounts for which the settings hold', examples: [['upload']] }),
  settings: settings.meta({ description: 'settings that sshd permits in a Match block' }),
})

export const schema = z
  .strictObject({
    settings: settings.meta({ description: 'keywords of sshd_config(5) with values; lists are written in the syntax of the keyword' }),
    match: z
      .array(match)
      .default([])
      .meta({
        description: 'settings of single accounts, never of the account of the run',
        examples: [[{ users: ['upload'], settings: { ForceCommand: 'internal-sftp' } }]],
      }),
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9_-]*$/, 'must be a name: lower-case letters, digits, - and _')
      .default('00-provision')
      .meta({ description: 'the name of the file; if several files set the same keyword, the alphabetically first wins' }),
    confirmSeconds: z
      .int()
      .min(5)
      .max(600)
      .default(30)
      .meta({ description: 'time that the host waits for a new connection before it restores the old settings, in seconds' }),
  })
  .transform((spec) => ({ ...spec, path: `${DROP_INS}/${spec.name}.conf`, text: textOf(spec) }))
  .transform((spec) => ({ ...spec, sha256: sha256Hex(spec.text) }))

export type SshdSpec = z.output<typeof schema>

type Value = string | number | readonly string[]

type Settings = Readonly<Record<string, Value>>

interface Text {
  readonly settings: Settings
  readonly match: readonly { readonly users: readonly string[]; readonly settings: Settings }[]
}

// A Match block ends with its file: it has no effect on the files that sshd reads after it.
const textOf = ({ settings, match }: Text): string =>
  `# Written by provision. Changes made here are found and undone by its next run.
${[
  ...settingLines(settings),
  ...match.flatMap((one) => ['', `Match User ${one.users.join(',')}`, ...settingLines(one.settings).map((line) => `  ${line}`)]),
].join('\n')}
`

const settingLines = (settings: Settings): readonly string[] => Object.entries(settings).flatMap(([name, value]) => linesOf(name, value))

// Lists of algorithms use commas, host keys one line each, all other lists one line of words (sshd_config(5)).
const linesOf = (name: string, value: Value): readonly string[] => {
  if (typeof value === 'string' || typeof value === 'number') return [`${name} ${value}`]
  if (/^(ciphers|macs|.*algorithms)$/i.test(name)) return [`${name} ${value.join(',')}`]
  return /^host(key|certificate)$/i.test(name) ? value.map((one) => `${name} ${one}`) : [`${name} ${value.join(' ')}`]
}
