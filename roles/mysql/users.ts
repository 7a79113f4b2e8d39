import { accountFaults, databaseAccount, directory, type HostContext, leaf, type Resource, secret, z } from 'provision'
import { PKI } from './config.ts'
import type { Flavour, Options } from './options.ts'

/** Accounts of the server and of this role. */
const OURS = ['root', 'mysql', 'mariadb.sys', 'mysql.sys', 'mysql.session', 'mysql.infoschema', 'debian-sys-maint', 'prometheus']

const grantOptions = z.strictObject({
  on: z
    .string()
    .regex(/^(\*\.\*|[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.(\*|[A-Za-z0-9_$-]{1,64}))$/, 'must be DATABASE.*, DATABASE.TABLE or *.*')
    .meta({ description: 'the database or table; `*.*`: the whole server', examples: ['shop.*'] }),
  privileges: z
    .array(z.string())
    .min(1)
    .default(['SELECT', 'INSERT', 'UPDATE', 'DELETE'])
    .meta({ description: '`ALL`: every privilege of a database or of a table' }),
})

const limit = (description: string) => z.int().min(1).max(1_000_000_000).optional().meta({ description })

const limitOptions = z.strictObject({
  connections: limit('connections at one time'),
  connections_per_hour: limit('new connections in an hour'),
  queries_per_hour: limit('statements in an hour'),
  updates_per_hour: limit('statements that change rows or tables, in an hour'),
})

/** A name that can be a part of the name in a certificate, whose common name has at most 64 characters. */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/

const userName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$/, 'must be an account name: letters, digits, underscores, dots and dashes')
  .refine((name) => !OURS.includes(name) && !name.startsWith('provision-'), 'is an account of the server or of this role')

const fields = z.strictObject({
  name: userName,
  host: z
    .string()
    .regex(/^[A-Za-z0-9.:%_/-]{1,60}$/, 'must be the client address: %, an address, or a network')
    .refine((host) => host !== 'localhost', {
      error: 'must be an address: a TCP connection never comes from localhost',
      params: { fix: 'write the address of the client, or `socket: true` for an account of this host' },
    })
    .refine((host) => host === 'localhost' || host.includes(':') || !/[a-z]/i.test(host), {
      error: 'must be an address: the server resolves no names',
      params: { fix: 'write the address of the client, a pattern such as 192.0.2.%, or 192.0.2.0/255.255.255.0' },
    })
    .default('%'),
  password: secret().optional(),
  socket: z.boolean().default(false).meta({
    description: 'the system account of the same name on the server logs in through the socket, without a password; not over the network',
  }),
  certificate: z.boolean().default(false).meta({
    description: 'a client must also present the certificate of this user (`certificates`)',
  }),
  administrator: z.boolean().default(false).meta({
    description: 'permit privileges on `*.*` by which the account can read or change all databases and accounts, such as SELECT and SUPER',
  }),
  limits: limitOptions.optional().meta({ description: 'limits of the account; default: none', examples: [{ connections: 20 }] }),
  grants: z.array(grantOptions).default([]),
  state: z.enum(['present', 'absent']).default('present'),
})

type User = z.output<typeof fields>

/** Options of a user that exclude each other or need another one. */
const faultOfUser = (user: User): { readonly path: keyof User; readonly message: string; readonly fix: string } | undefined => {
  const { name, host, password, socket, certificate, state } = user
  if (socket && host !== '%')
    return { path: 'host', message: 'must not be set with `socket`, which no network reaches', fix: 'remove `host` or `socket`' }
  if (socket && password !== undefined)
    return { path: 'password', message: 'must not be set with `socket`: the host has authenticated the account', fix: 'remove it' }
  if (socket && certificate)
    return { path: 'certificate', message: 'must not be set with `socket`, which has no TLS', fix: 'remove `certificate` or `socket`' }
  if (certificate && !LABEL.test(name))
    return {
      path: 'certificate',
      message: `needs a name that a certificate can have: lower-case letters, digits and dashes, at most 32, and the name is ${name}`,
      fix: 'rename the user, or remove `certificate`',
    }
  if (state === 'present' && !socket && password === undefined)
    return { path: 'password', message: 'is missing', fix: `add \`password: \${secret:NAME}\` (provision secrets edit)` }
  return undefined
}

export const userOptions = fields.superRefine((user, context) => {
  const own = faultOfUser(user)
  if (own !== undefined) context.addIssue({ code: 'custom', path: [own.path], message: own.message, params: { fix: own.fix } })
  // `userFaults` reports the faults that depend on the flavour.
  const other = new Set(accountFaults('', user, 'mysql').map(({ path }) => path.join()))
  for (const { path, message, fix } of accountFaults('', user, 'mariadb'))
    if (path[0] === 'host' || other.has(path.join())) context.addIssue({ code: 'custom', path, message, params: { fix } })
})

/** Faults of users with this flavour. */
export const userFaults = ({ users }: Options, flavour: Flavour) =>
  users.flatMap((user, i) =>
    accountFaults(user.name, user, flavour).map(({ path, message, fix }) => ({
      path: ['users', i, ...(path.length === 0 ? ['name'] : path)],
      what: `the user ${user.name}${path.at(-2) === 'privileges' ? `: ${privilegeAt(user, path)}` : ''} ${message}`,
      fix,
    })),
  )

const privilegeAt = ({ grants }: User, path: readonly PropertyKey[]): string => grants[Number(path[1])]?.privileges[Number(path[3])] ?? ''

export const certificateOptions = z.strictObject({
  user: z
    .string()
    .regex(LABEL, 'must be the name of a user with `certificate: true`')
    .meta({ description: 'user of the database', examples: ['shop'] }),
  group: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'must be a group of the host')
    .meta({ description: 'group of the host whose members can read the key', examples: ['www-data'] }),
})

/** Directory of the certificates of users on the host of an application. */
const CERTIFICATES = `${PKI.directory}/users`

const certifiedName = (user: string): string => `${user}.user`

/** Certificates by which applications of this host log in, each readable by a group. */
export const certificateResources = ({ options: { certificates }, authority }: HostContext<Options>): readonly Resource[] => {
  if (certificates.length === 0) return []
  const own = authority({ domain: 'database' })
  return [
    directory({ path: CERTIFICATES }),
    ...certificates.map(({ user, group }) =>
      leaf({ path: `${CERTIFICATES}/${user}.pem`, names: [own.nameOf(certifiedName(user))], authority: own, usages: ['client'], group }),
    ),
  ]
}

/** Accounts of the users on the servers `all`. */
export const userAccounts = (
  { options: { users }, authority }: Pick<HostContext<Options>, 'options' | 'authority'>,
  all: { readonly me: string; readonly flavour: Flavour; readonly servers: string[]; readonly arriving: string[] },
): readonly Resource[] =>
  users.map(({ name, host, password, socket, certificate, limits, ...more }) =>
    databaseAccount({
      user: name,
      host: socket ? 'localhost' : host,
      ...(password !== undefined && { password }),
      ...(certificate && { subject: `/CN=${authority({ domain: 'database' }).nameOf(certifiedName(name))}` }),
      ...(limits !== undefined && {
        limits: {
          connections: limits.connections,
          connectionsPerHour: limits.connections_per_hour,
          queriesPerHour: limits.queries_per_hour,
          updatesPerHour: limits.updates_per_hour,
        },
      }),
      ...more,
      ...all,
    }),
  )
