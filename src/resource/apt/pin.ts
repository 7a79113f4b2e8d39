import { z } from 'zod'
import { file } from '../file/file.ts'
import { defineFileKind } from '../file/file-kind.ts'

const word = (pattern: RegExp, what: string) => z.string().regex(pattern, what)
const packageName = word(
  /^([a-z0-9*?[\]][a-z0-9+.*?[\]-]*(:[a-z0-9-]+)?|src:[a-z0-9][a-z0-9+.-]*)$/,
  'must be the name of a package, or a pattern such as nginx*',
)
const releaseValue = word(/^[^\s,=\p{Cc}]([^,=\p{Cc}]*[^\s,=\p{Cc}])?$/u, 'must be one line of text without commas')

/** The letters of apt_preferences(5) for the fields of a Release file. */
const LETTERS = { archive: 'a', codename: 'n', component: 'c', origin: 'o', label: 'l', version: 'v', architecture: 'b' } as const

const schema = z
  .strictObject({
    name: word(/^[a-z0-9][a-z0-9_-]{0,63}$/, 'must be a name of lower-case letters, digits, - and _').meta({
      description: 'name of the file in /etc/apt/preferences.d, without .pref',
      examples: ['nginx'],
    }),
    state: z.enum(['present', 'absent']).default('present'),
    packages: z
      .union([packageName, z.array(packageName).min(1).readonly()])
      .transform((value) => [value].flat())
      .optional()
      .meta({ description: 'packages, by name or pattern; `*` is every package', examples: ['nginx*'] }),
    version: word(/^[0-9A-Za-z*][A-Za-z0-9.+~:*-]*$/, 'must be a version, or a pattern such as 1.24.*')
      .optional()
      .meta({ description: 'version to prefer; * stands for any characters', examples: ['1.24.*'] }),
    site: word(/^[A-Za-z0-9][A-Za-z0-9.-]*$/, 'must be the name of a server such as nginx.org')
      .optional()
      .meta({ description: 'server of the repository to prefer', examples: ['nginx.org'] }),
    release: z
      .strictObject({
        archive: releaseValue.optional(),
        codename: releaseValue.optional(),
        component: releaseValue.optional(),
        origin: releaseValue.optional(),
        label: releaseValue.optional(),
        version: releaseValue.optional(),
        architecture: releaseValue.optional(),
      })
      .optional()
      .meta({ description: 'fields of the Release file of the repository to prefer', examples: [{ codename: 'bookworm-backports' }] }),
    priority: z
      .int()
      .min(-32_768)
      .max(32_767)
      .refine((value) => value !== 0, 'must not be 0, which apt does not define')
      .optional()
      .meta({ description: 'priority as in apt_preferences(5): over 1000 also downgrades, below 0 never installs', examples: [900] }),
  })
  .superRefine((given, context) => {
    if (given.state === 'absent') return
    const issue = (path: string, message: string): unknown => context.addIssue({ code: 'custom', path: [path], message })
    for (const option of ['packages', 'priority'] as const) if (given[option] === undefined) issue(option, 'is missing')
    const ways = (['version', 'site', 'release'] as const).filter((option) => given[option] !== undefined)
    if (ways.length !== 1) issue(ways[1] ?? 'version', 'must be set, or site, or release: exactly one of them')
    if (given.release !== undefined && Object.values(given.release).every((value) => value === undefined))
      issue('release', 'must have at least one field')
  })

type PinSpec = z.output<typeof schema>

/** A preference of apt: the version or repository from which it installs packages. */
export const aptPin = defineFileKind({
  name: 'apt-pin',
  summary: 'priority of versions and origins of packages in apt',
  schema,
  id: ({ name }) => name,
  fileOf: (spec) => {
    const path = `/etc/apt/preferences.d/${spec.name}.pref`
    return file(spec.state === 'absent' ? { path, state: 'absent' } : { path, content: textOf(spec) }).spec
  },
  orphan: { delete: 'file', note: 'packages stay in their present version' },
})

const textOf = (spec: PinSpec): string =>
  `Package: ${(spec.packages ?? []).join(' ')}\nPin: ${pinOf(spec)}\nPin-Priority: ${spec.priority}\n`

const pinOf = ({ version, site, release = {} }: PinSpec): string => {
  if (version !== undefined) return `version ${version}`
  if (site !== undefined) return `origin ${site}`
  const fields = (Object.keys(LETTERS) as (keyof typeof LETTERS)[]).flatMap((field) => {
    const value = release[field]
    return value === undefined ? [] : [`${LETTERS[field]}=${value}`]
  })
  return `release ${fields.join(',')}`
}
