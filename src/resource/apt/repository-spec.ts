import { z } from 'zod'
import { contentOption } from '../file/spec.ts'
import { asContent, bytesOf, type Content, hasSecret, isKnown } from '../kind/content.ts'
import { yamlForms } from '../option/yaml-form.ts'
import { type Keyring, MAX_KEY_BYTES, readKeyring } from './openpgp.ts'

const listOf = <T extends z.ZodType<string, string>>(one: T) =>
  z.union([one, z.array(one).min(1).readonly()]).transform((value): readonly string[] => (typeof value === 'string' ? [value] : value))

const HAS_PASSWORD = /^[a-z0-9+]+:\/\/[^/]*@/

const uri = z
  .string()
  .regex(/^(mirror\+)?(https?:\/\/[^\s\p{Cc}]+|file:\/[^\s\p{Cc}]+)$/u, 'must be a URI such as https://nginx.org/packages/debian')
  .refine(
    (value) => !HAS_PASSWORD.test(value),
    'must not have a password, because every account can read it: write that to a file in /etc/apt/auth.conf.d',
  )

const keyUrl = /^https?:\/\/[^\s\p{Cc}'"\\]+$/u

const key = z
  .custom<string | Content>(
    (value) =>
      (typeof value === 'string' && value !== '') ||
      (contentOption.safeParse(value).success && !hasSecret(asContent(value as Content)) && isKnown(asContent(value as Content))),
    'must be a URL, the text of a public key, or a file of the project',
  )
  .register(yamlForms, { form: 'file' })

const fingerprint = z
  .string()
  .transform((value) => value.replaceAll(/\s/g, '').replace(/^0x/i, '').toUpperCase())
  .pipe(
    z
      .string()
      .regex(/^([0-9A-F]{40}|[0-9A-F]{64})$/, 'must be a complete fingerprint: 40 hexadecimal digits, as `gpg --show-keys` prints them'),
  )

/** Further fields of sources.list(5). Those that accept unsigned lists (Trusted, Allow-Insecure) are not among them. */
const FIELDS: readonly string[] = [
  ...['Languages', 'Targets', 'PDiffs', 'By-Hash', 'Check-Valid-Until', 'Valid-Until-Min', 'Valid-Until-Max', 'Check-Date'],
  ...['Date-Max-Future', 'InRelease-Path', 'Snapshot', 'Include', 'Exclude'],
]

const line = z.string().regex(/^[^\s\p{Cc}#]([^\p{Cc}]*[^\s\p{Cc}])?$/u, 'must be one line of text')

const options = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, 'must be a name of lower-case letters, digits, - and _')
    .meta({ description: 'name of the file in /etc/apt/sources.list.d, without .sources', examples: ['nginx'] }),
  state: z
    .enum(['present', 'absent'])
    .default('present')
    .meta({ description: 'absent: delete the repository; packages from it stay installed' }),
  uris: listOf(uri)
    .optional()
    .meta({ description: 'address of the repository, or a list of mirrors', examples: ['https://nginx.org/packages/debian'] }),
  suites: listOf(
    z.string().regex(/^([A-Za-z0-9.][A-Za-z0-9._/~+-]*|\/)$/, {
      error: 'must be a suite such as bookworm, or a path with a slash at its end: ./ for a flat repository',
    }),
  )
    .optional()
    .meta({
      description:
        'suites of the repository. A path with a slash at its end, such as ./ or /, is a flat repository: its index is at this path below `uris`, and it has no `components`',
      examples: ['bookworm', './'],
    }),
  components: listOf(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._/+-]*$/, 'must be a component such as main'))
    .optional()
    .meta({ description: 'components of each suite', examples: ['nginx'] }),
  architectures: listOf(z.string().regex(/^[a-z0-9][a-z0-9-]*$/, 'must be an architecture such as amd64'))
    .optional()
    .meta({ description: 'architectures to read lists of; default: those of the host', examples: ['amd64'] }),
  types: listOf(z.enum(['deb', 'deb-src']))
    .default(['deb'])
    .meta({ description: 'binary packages (deb), source packages (deb-src), or both' }),
  enabled: z.boolean().default(true).meta({ description: 'false: apt ignores the repository' }),
  key: key.optional().meta({
    description: 'public key that signs the repository: its text, a file of the project, or a URL from which the host fetches it',
    examples: ['https://nginx.org/keys/nginx_signing.key'],
  }),
  fingerprint: listOf(fingerprint)
    .optional()
    .meta({
      description: 'complete fingerprint of the key, or one for each key of the file; a key with another fingerprint is never trusted',
      examples: ['573BFD6B3D8FBC641079A6ABABF5BD827BD9BF62'],
    }),
  fields: z
    .strictObject(Object.fromEntries(FIELDS.map((field) => [field, line.optional()])))
    .default({})
    .meta({ description: 'further fields of sources.list(5)', examples: [{ Languages: 'none' }] }),
})

const REQUIRED = ['uris', 'suites', 'key', 'fingerprint'] as const

export const schema = options.transform((given, context): RepositorySpec => {
  const { name, state } = given
  const issue = (path: string, message: string, fix?: string): undefined => {
    context.addIssue({ code: 'custom', path: [path], message, ...(fix !== undefined && { params: { fix } }) })
  }
  const nothing = { name, state, head: '', fingerprints: [], url: undefined, armored: undefined, enabled: false }
  if (state === 'absent') return nothing
  const missing = REQUIRED.filter((option) => given[option] === undefined)
  for (const option of missing) issue(option, option === 'fingerprint' ? NO_FINGERPRINT : 'is missing')
  const { uris = [], suites = [], components = [], key: trusted = '', fingerprint: fingerprints = [] } = given
  const flat = suites.filter((suite) => suite.endsWith('/'))
  if (flat.length > 0 && flat.length < suites.length)
    issue('suites', `must not have a path such as ${flat[0]} beside other suites`, 'declare two resources, each with its own name')
  if (flat.length > 0 && components.length > 0)
    issue('components', `must not be set beside the path ${flat[0]}: a flat repository has no components`, 'remove `components`')
  if (flat.length === 0 && suites.length > 0 && components.length === 0) issue('components', 'is missing', NO_COMPONENTS)
  const isUrl = typeof trusted === 'string' && keyUrl.test(trusted)
  const found = isUrl || missing.length > 0 ? undefined : keyringOf(trusted)
  const refusal = typeof found === 'string' ? found : found && mismatch(found, fingerprints)
  if (refusal !== undefined) issue('key', refusal)
  const armored = typeof found === 'object' ? found.armored : undefined
  return {
    ...nothing,
    head: headOf({ ...given, uris, suites, components }),
    fingerprints,
    url: isUrl ? trusted : undefined,
    armored,
    enabled: given.enabled,
  }
})

const NO_COMPONENTS =
  'add the last words of its line in sources.list, for example `components: main`. For a flat repository, which has none, write `suites: ./`'

const NO_FINGERPRINT =
  'is missing: without it any key would be trusted; `gpg --show-keys FILE` prints it, compare it with the one that the publisher of the repository names'

/** A repository of packages. A key from a URL has no text before it is fetched. */
export interface RepositorySpec {
  readonly name: string
  readonly state: 'present' | 'absent'
  /** The fields of the file but `Signed-By`. */
  readonly head: string
  readonly fingerprints: readonly string[]
  readonly url: string | undefined
  readonly armored: string | undefined
  readonly enabled: boolean
}

/** The keys of an option, or why they cannot be read. */
const keyringOf = (given: string | Content): Keyring | string => {
  const content = asContent(given)
  if (content.type === 'local' && content.size > MAX_KEY_BYTES) return `cannot be used: it has more than ${MAX_KEY_BYTES} bytes`
  try {
    return readKeyring(bytesOf(content))
  } catch (error) {
    return `cannot be used: ${error instanceof Error ? error.message : String(error)}`
  }
}

/** Returns why keys are not those with these fingerprints, or undefined. */
export const mismatch = (found: Keyring, fingerprints: readonly string[]): string | undefined => {
  const foreign = found.fingerprints.find((one) => !fingerprints.includes(one))
  if (foreign !== undefined) return `has the fingerprint ${foreign}, which is not declared`
  const missing = fingerprints.find((one) => !found.fingerprints.includes(one))
  return missing === undefined ? undefined : `does not have the declared fingerprint ${missing}`
}

type Given = z.output<typeof options>

const headOf = (
  given: Given & { readonly uris: readonly string[]; readonly suites: readonly string[]; readonly components: readonly string[] },
): string =>
  [
    ['Types', given.types],
    ['URIs', given.uris],
    ['Suites', given.suites],
    ['Components', given.components],
    ['Architectures', given.architectures ?? []],
    ['Enabled', given.enabled ? [] : ['no']],
    ...Object.entries(given.fields).map(([field, value]) => [field, [value]] as const),
  ]
    .filter(([, values]) => (values?.length ?? 0) > 0)
    .map(([field, values]) => `${field}: ${(values as readonly string[]).join(' ')}\n`)
    .join('')
