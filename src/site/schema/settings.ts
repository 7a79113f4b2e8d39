import { z } from 'zod'
import { secret } from '../../resource/kind/secret.ts'
import { isDestination, isIpAddress, isReachable } from './names.ts'

/** What may be written about a host, a group and a play: the shapes that files are checked against. */
const text = z.string()

const oneOrMore = <T extends z.ZodType>(schema: T) => z.union([schema, z.array(schema)])

const path = text.refine((value) => /^(?!~(?!\/))[^\p{Cc}]+$/u.test(value), {
  error: 'is not a path',
  params: { fix: 'write it relative to the project, or beginning with / or ~/' },
})

const user = text.refine((value) => /^[A-Za-z_][A-Za-z0-9_.@\\-]{0,63}\$?$/.test(value), {
  error: 'cannot be the name of a user',
  params: { fix: 'write the name you log in with, for instance ops' },
})

const destination = text.refine((value) => value.split(',').every((hop) => isDestination(hop.trim())), {
  error: 'is no ssh destination',
  params: { fix: 'write user@host:port, where user@ and :port may be left out' },
})

const ip = text.refine(isIpAddress, {
  error: 'is not an IP address',
  params: { fix: 'write one IPv4 or IPv6 address, without a network mask, for instance 10.0.0.11' },
})

const address = text.refine(isReachable, {
  error: 'is neither an IP address nor a host name',
  params: { fix: 'write it whole, for instance 10.0.0.11' },
})

/** How hosts are reached. They may stand at every level. */
const connection = {
  user: user.optional().meta({ description: 'the account to log in with' }),
  port: z
    .int()
    .min(1)
    .max(65_535)
    .optional()
    .meta({ description: 'the port of sshd', examples: [22] }),
  key: path.optional().meta({ description: 'a private key file' }),
  keys: z.array(path).optional().meta({ description: 'private key files to try, in this order' }),
  passphrase: secret().optional().meta({ description: 'the passphrase of the private key' }),
  known_hosts: oneOrMore(path).optional().meta({ description: 'known_hosts files' }),
  host_keys: z.enum(['strict', 'accept-new']).optional().meta({ description: 'what to do about unknown host keys' }),
  jump: oneOrMore(destination).optional().meta({ description: 'ssh destinations to go through (ProxyJump)' }),
  sudo_password: secret().optional().meta({ description: 'the password for sudo' }),
}

/** Where a host is: these belong to one host and stand beside its name. */
const place = {
  address: address.optional().meta({ description: 'where the controller reaches the host; left out: its name, through ssh config' }),
  internal: oneOrMore(ip).optional().meta({ description: 'its addresses for the other hosts' }),
  public: oneOrMore(ip).optional().meta({ description: 'its addresses for visitors' }),
}

/** A number of hosts, or a part of a play's hosts. */
const someHosts = (least: 0 | 1, fix: string) =>
  z.union([
    z.int().min(least),
    text.refine((value) => /^(0|[1-9][0-9]?|100)%$/.test(value) && Number.parseInt(value, 10) >= least, {
      error: 'is neither a number of hosts nor a percentage',
      params: { fix },
    }),
  ])

const hostsAtATime = someHosts(1, 'write for instance 1, 25% or [1, 25%]')

const anyMap = z.record(z.string(), z.unknown()).nullish()

/** The variables that one level may set, given the roles there are. Names that begin with `x_` were taken out before. */
export const varsSchema = (knownRoles: readonly string[]) =>
  z.strictObject({ ...connection, ...Object.fromEntries(knownRoles.map((role) => [role, anyMap])) })

export const hostSchema = z.strictObject({ ...place, ...connection, vars: anyMap })

export const groupSchema = z.strictObject({
  hosts: z.array(text).nullish().meta({ description: 'names of hosts' }),
  children: z.array(text).nullish().meta({ description: 'names of groups whose hosts belong to this one too' }),
  vars: anyMap,
})

export const inventorySchema = z.strictObject({ vars: anyMap, hosts: anyMap, groups: anyMap })

export const playSchema = z.strictObject({
  name: text.min(1).optional(),
  hosts: z.union([text.min(1), z.array(text.min(1)).min(1)]).meta({ description: 'a host pattern', examples: ['web'] }),
  roles: z
    .array(z.unknown())
    .min(1)
    .meta({ description: 'the roles that these hosts get', examples: ['[nginx]'] }),
  serial: z
    .union([hostsAtATime, z.array(hostsAtATime).min(1)])
    .optional()
    .meta({ description: 'how many hosts at a time, or a list of that, whose last is repeated', examples: [1] }),
  max_failures: someHosts(0, 'write for instance 1 or 10%')
    .optional()
    .meta({ description: 'how many hosts of the play may fail before the rest is left as it is', examples: [0] }),
})

/** Settings that say how a host is reached. */
export const CONNECTION_SETTINGS: ReadonlySet<string> = new Set(Object.keys(connection))

/** Settings that belong to one host. */
export const PLACE_SETTINGS: ReadonlySet<string> = new Set(Object.keys(place))
