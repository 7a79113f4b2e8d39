import { z } from 'zod'
import { Secret } from '../../secret/secret.ts'
import { secret } from '../kind/secret.ts'
import type { FetchStep } from '../kind/step.ts'

/** Default limit of a download, in bytes: the one up to which the observation digests files in a directory of another account. */
const MAX_BYTES = 268_435_456

/** Returns why a text cannot be the URL of a download; undefined if it can. */
const faultOf = (text: string): string | undefined => {
  if (/[\s\p{Cc}]/u.test(text) || !URL.canParse(text)) return 'must be a URL such as https://example.org/tool.tar.gz'
  const { protocol, username, password, hash } = new URL(text)
  if (protocol !== 'https:' && protocol !== 'http:') return 'must begin with https:// or http://'
  if (username !== '' || password !== '')
    return 'must not contain a user or a password: plans and lists of processes show URLs; use the options user and password'
  return hash === '' ? undefined : 'must not contain a fragment (#)'
}

const url = z.string().superRefine((text, context) => {
  const message = faultOf(text)
  if (message !== undefined) context.addIssue({ code: 'custom', message })
})

const proxy = z.union([
  z.literal('none'),
  z
    .string()
    .refine(
      (text) => /^https?:\/\/[^\s/@]+\/?$/.test(text) && URL.canParse(text),
      'must be none, or a URL such as http://proxy.internal:3128',
    ),
])

const SUM = '`curl -fsSL URL | sha256sum` prints it'

const sha256 = z
  .string()
  .regex(/^[0-9a-fA-F]{64}$/, `must be the SHA-256 of the file, 64 hexadecimal digits: ${SUM}`)
  .transform((sum) => sum.toLowerCase())

/** A token of RFC 9110 (5.6.2). */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** Options of something that is fetched by URL. */
export const sourceOptions = {
  url: url.optional().meta({ description: 'URL of the file, https or http', examples: ['https://example.org/tool.tar.gz'] }),
  sha256: sha256.optional().meta({ description: 'SHA-256 of the file; a file with another sum is never installed', examples: ['0a1b…'] }),
  by: z.enum(['host', 'controller']).default('host').meta({
    description: 'machine that fetches: the host, with apt and its proxy, or the controller, which passes the file on',
  }),
  maxBytes: z
    .int()
    .positive()
    .max(2 ** 40)
    .default(MAX_BYTES)
    .meta({ description: 'limit of the file in bytes, default 256 MiB; a server that sends more is refused' }),
  withinMinutes: z.number().positive().max(1440).default(30).meta({ description: 'time limit of the transfer in minutes' }),
  proxy: proxy.optional().meta({
    description: 'proxy for this file, or none; default: the proxy of the apt of the host, or of the environment of the controller',
    examples: ['http://proxy.internal:3128'],
  }),
  user: z
    .string()
    .regex(/^[^\s:"\\\p{Cc}]+$/u, 'must be a name without spaces, colons, quotes or backslashes')
    .optional()
    .meta({ description: 'user for the server (HTTP Basic), with password' }),
  password: secret().optional().meta({ description: 'password for the server (HTTP Basic), with user' }),
  headers: z
    .record(z.string().regex(HEADER_NAME, 'must be the name of an HTTP header'), secret())
    .default({})
    .meta({
      description: 'headers of the request, such as Authorization, all of them secret; only with by: controller',
      examples: [{ Authorization: `Bearer \${secret:registry_token}` }],
    }),
}

const source = z.object(sourceOptions)
type Options = z.output<typeof source>

/** Where a file comes from. URL and sum are empty if the resource is declared absent. */
export type Source = Options & { readonly url: string; readonly sha256: string }

/** Returns the options with URL and sum. */
export const withSource = <Spec extends Options>(spec: Spec): Spec & Source => ({ ...spec, url: spec.url ?? '', sha256: spec.sha256 ?? '' })

/** Adds issues for options of a source that are missing or exclude each other. */
export const checkSource = (spec: Options & { readonly state: 'present' | 'absent' }, context: z.RefinementCtx): void => {
  const issue = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message })
  const { url = '', by, user, password, headers, state } = spec
  if (state === 'present' && spec.url === undefined) issue('url', 'must be set')
  if (state === 'present' && spec.sha256 === undefined)
    issue('sha256', `must be set: a file that cannot be verified is not installed; ${SUM}`)
  if ((user === undefined) !== (password === undefined))
    issue(user === undefined ? 'user' : 'password', 'must be set: user and password belong together')
  const names = Object.keys(headers)
  if (names.length > 0 && by !== 'controller') issue('headers', 'needs by: controller; the apt of a host sends user and password only')
  const hasCredentials = password !== undefined || names.length > 0
  if (hasCredentials && !url.startsWith('https:'))
    issue('url', 'must begin with https://, because a password or header must not cross the network readable')
  if (password !== undefined && /[\s"\\]/.test(password.reveal()) && by !== 'controller')
    issue('password', 'must not contain spaces, quotes or backslashes, which the apt of a host cannot read; or use by: controller')
  for (const [name, value] of Object.entries(headers)) if (/[\r\n\0]/.test(value.reveal())) issue('headers', `${name} must be one line`)
}

/** Host and port of a URL, as netrc(5) of apt names the machine. */
export const machineOf = (text: string): string => new URL(text).host

/** The step by which the controller fetches. */
export const fetchStep = ({ url, sha256, maxBytes, headers, proxy, user, password, withinMinutes }: Source): FetchStep => {
  const basic = user === undefined || password === undefined ? undefined : Buffer.from(`${user}:${password.reveal()}`).toString('base64')
  return {
    ...{ do: 'fetch', url, sha256, maxBytes, proxy, withinMs: withinMinutes * 60_000, doing: `fetching ${url}` },
    headers: { ...headers, ...(basic !== undefined && { Authorization: new Secret(`Basic ${basic}`) }) },
  }
}
