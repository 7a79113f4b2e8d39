import { z } from 'zod'
import { shellScript } from '../control/options.ts'
import { schema as gitSchema } from '../fetched/git-spec.ts'
import { secret } from '../kind/secret.ts'
import { unquotedPath } from '../option/site-paths.ts'
import { phpOption } from './php/options.ts'

const port = z.int().min(1).max(65535)
const size = z.string().regex(/^[0-9]+[kmg]?$/, 'must be a size such as 512k or 10m')

const variables = z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be a variable name'), z.string().regex(/^[^\p{Cc}]*$/u))

/** Options of a git repository, with the names and rules of the kind `git`. */
const gitShape = z
  .strictObject({
    git: z.string().meta({ description: 'URL of the repository', examples: ['https://github.com/acme/shop.git'] }),
    ref: z.string().meta({ description: 'branch, tag or full commit; a full commit beside `key` or `token`', examples: ['v1.4.2'] }),
    key: secret().optional().meta({ description: 'deploy key for ssh; it is on the host only while git fetches' }),
    known_hosts: z.array(z.string()).default([]).meta({ description: 'lines of known_hosts with the keys of the server, for ssh' }),
    token: secret().optional().meta({ description: 'password or token for https; it is on the host only while git fetches' }),
    token_user: z
      .string()
      .optional()
      .meta({ description: 'user for token', examples: ['oauth2'] }),
  })
  .superRefine((given, context) => {
    const result = gitSchema.safeParse(gitOptions(given, '/srv/source', 'builder'))
    const names: Readonly<Record<string, string>> = { repository: 'git', knownHosts: 'known_hosts', tokenUser: 'token_user' }
    for (const {
      path: [key, ...rest],
      message,
    } of result.error?.issues ?? [])
      context.addIssue({ code: 'custom', path: [names[String(key)] ?? String(key), ...rest], message })
  })

interface GitSource {
  readonly git: string
  readonly ref: string
  readonly key?: z.output<ReturnType<typeof secret>> | undefined
  readonly known_hosts: string[]
  readonly token?: z.output<ReturnType<typeof secret>> | undefined
  readonly token_user?: string | undefined
}

/** Returns the options of the kind `git`. */
export const gitOptions = ({ git: repository, ref, key, known_hosts, token, token_user }: GitSource, at: string, user: string) => ({
  ...{ path: at, repository, ref, user, knownHosts: known_hosts },
  ...(key !== undefined && { key }),
  ...(token !== undefined && { token }),
  ...(token_user !== undefined && { tokenUser: token_user }),
})

const buildShape = z.strictObject({
  command: shellScript.meta({ description: 'POSIX sh; stops at the first failing command', examples: ['npm ci && npm run build'] }),
  network: z.boolean().default(false).meta({ description: 'whether the command reaches the network' }),
  environment: variables.default({}).meta({ description: 'variables of the command; no secrets' }),
  minutes: z.number().positive().max(1440).default(30).meta({ description: 'time limit in minutes' }),
})

/** Runtimes that set defaults of the other options. */
export const RUNTIMES = ['node', 'python', 'php'] as const

/** Options of an application that a host runs as a systemd unit. */
export const applicationShape = {
  runtime: z
    .enum(RUNTIMES)
    .optional()
    .meta({
      description: 'installs a runtime, and sets defaults of `build`, `command` and `environment`',
      examples: ['node'],
    }),
  php: phpOption,
  source: z
    .union([z.string().min(1), gitShape], { error: 'must be a directory or archive of the project, or { git, ref }' })
    .optional()
    .meta({
      description: 'the code: a directory or archive (.tar, .tar.gz) of the project without its hidden files, or a git repository',
      examples: ['shop', { git: 'https://github.com/acme/shop.git', ref: 'v1.4.2' }],
    }),
  build: z
    .union([shellScript.transform((command) => ({ ...buildShape.parse({ command }) })), buildShape], {
      error: 'must be a command, or { command, network, environment, minutes }',
    })
    .optional()
    .meta({
      description: 'command that builds each release in a copy of the source: without rights, and without network unless `network: true`',
      examples: ['make', { command: 'npm ci', network: true }],
    }),
  packages: z
    .array(z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/, 'must be a Debian package name'))
    .default([])
    .meta({ description: 'packages that the build or the application needs', examples: [['libvips-tools']] }),
  command: z
    .string()
    .regex(
      /^[^\s\p{Cc}]*\/[^\p{Cc}]*[^\p{Cc}\\]$/u,
      'must be one line that begins with the absolute path of a program, or with a path in the source such as ./server, without a backslash at its end',
    )
    .optional()
    .meta({ description: 'program and arguments, as in ExecStart of a systemd unit', examples: ['/usr/bin/node server.js'] }),
  port: port.optional().meta({ description: 'port on 127.0.0.1 at which the application listens; passed to it as PORT', examples: [3000] }),
  directory: unquotedPath.optional().meta({ description: 'working directory on the host; default: the source' }),
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/)
    .optional()
    .meta({ description: 'existing account; default: a dynamic account of the unit' }),
  environment: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be a variable name'), secret())
    .default({})
    .meta({ description: 'environment variables, stored in a file that only root can read' }),
  memory: size.optional().meta({ description: 'memory limit; systemd restarts the application above the limit' }),
  writes: z
    .array(unquotedPath)
    .default([])
    .meta({ description: 'directories that the application may write to, in addition to /var/lib/provision-app-NAME' }),
  start_seconds: z.int().min(1).max(600).default(10).meta({
    description: 'time until the application must answer after a start; otherwise the former release is restored',
  }),
}

const shape = z.strictObject(applicationShape)
export type ApplicationOptions = z.output<typeof shape>
