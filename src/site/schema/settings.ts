import { z } from 'zod'
import { secret } from '../../resource/kind/secret.ts'
import { isDestination, isIpAddress, isReachable } from './names.ts'

// Schemas of inventory and playbook files.

const text = z.string()

const oneOrMore = <T extends z.ZodType>(schema: T) => z.union([schema, z.array(schema)])

const path = text.refine((value) => /^(?!~(?!\/))[^\p{Cc}]+$/u.test(value), {
  error: 'is not a valid path',
  params: { fix: 'write a path relative to the project, or one that begins with / or ~/' },
})

const user = text.refine((value) => /^[A-Za-z_][A-Za-z0-9_.@\\-]{0,63}\$?$/.test(value), {
  error: 'is not a valid user name',
  params: { fix: 'write the login name, for example ops' },
})

const destination = text.refine((value) => value.split(',').every((hop) => isDestination(hop.trim())), {
  error: 'is not an ssh destination',
  params: { fix: 'write [user@]host[:port], with brackets around an IPv6 address: ops@[fd00::1]:22' },
})

const ip = text.refine(isIpAddress, {
  error: 'is not an IP address',
  params: { fix: 'write an IPv4 or IPv6 address without a network mask, for example 10.0.0.11' },
})

const address = text.refine(isReachable, {
  error: 'is neither an IP address nor a host name',
  params: { fix: 'write the full address, for example 10.0.0.11' },
})

/** Connection settings. They are allowed at every level. */
const connection = {
  user: user.optional().meta({ description: 'the login account' }),
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
  host_keys: z.enum(['strict', 'accept-new']).optional().meta({ description: 'how to handle unknown host keys' }),
  jump: oneOrMore(destination).optional().meta({ description: 'ssh destinations of jump hosts (ProxyJump)' }),
  transport: z
    .enum(['auto', 'ssh2', 'openssh'])
    .optional()
    .meta({ description: 'how to connect: the built-in client, the installed ssh, or the one that the host needs' }),
  sudo_password: secret().optional().meta({ description: 'the password for sudo' }),
}

/** The release of a disposable host. It is allowed at every level. */
const lab = {
  release: text
    .refine((value) => /^[a-z]{2,20}$|^\d{1,2}(\.\d\d)?$/.test(value), {
      error: 'is not a release of Debian or Ubuntu',
      params: { fix: 'write its codename or its quoted version, for example trixie, "13" or "24.04"' },
    })
    .optional()
    .meta({ description: 'the release that `provision lab` boots', examples: ['trixie'] }),
}

/** Addresses of a host. They are allowed only in the host's own entry. */
const addresses = {
  address: address.optional().meta({
    description: 'address for the controller, or `local` for this machine (default: the host name, resolved by the ssh configuration)',
  }),
  internal: oneOrMore(ip).optional().meta({ description: 'addresses for the other hosts' }),
  public: oneOrMore(ip).optional().meta({ description: 'addresses for clients' }),
}

/** A number or percentage of a play's hosts. */
const hostAmount = (minimum: 0 | 1, fix: string) =>
  z.union([
    z.int().min(minimum),
    text.refine((value) => /^(0|[1-9][0-9]?|100)%$/.test(value) && Number.parseInt(value, 10) >= minimum, {
      error: 'is neither a number of hosts nor a percentage',
      params: { fix },
    }),
  ])

const batchSize = hostAmount(1, 'write, for example, 1, 25% or [1, 25%]')

const anyMap = z.record(z.string(), z.unknown()).nullish()

/** Returns the schema of `vars` for the available roles. Variables that begin with `x_` are removed before. */
export const varsSchema = (knownRoles: readonly string[]) =>
  z.strictObject({ ...connection, ...lab, ...Object.fromEntries(knownRoles.map((role) => [role, anyMap])) })

export const hostSchema = z.strictObject({ ...addresses, ...connection, ...lab, vars: anyMap })

export const groupSchema = z.strictObject({
  hosts: z.array(text).nullish().meta({ description: 'names of hosts' }),
  children: z.array(text).nullish().meta({ description: 'names of nested groups' }),
  vars: anyMap,
})

export const inventorySchema = z.strictObject({ vars: anyMap, hosts: anyMap, groups: anyMap })

const roles = z
  .array(z.unknown())
  .min(1)
  .meta({ description: 'the roles of these hosts', examples: ['[nginx]'] })

const play = z.strictObject({
  name: text.min(1).optional(),
  hosts: z.union([text.min(1), z.array(text.min(1)).min(1)]).meta({ description: 'a host pattern', examples: ['web'] }),
  roles: roles.optional(),
  resources: z
    .array(z.unknown())
    .min(1)
    .optional()
    .meta({ description: 'resources of these hosts', examples: ['[package: { name: htop }]'] }),
  serial: z
    .union([batchSize, z.array(batchSize).min(1)])
    .optional()
    .meta({ description: 'the batch size, or a list of batch sizes whose last one repeats', examples: [1] }),
  max_failures: hostAmount(0, 'write, for example, 1 or 10%')
    .optional()
    .meta({ description: 'the number of failed hosts after which the remaining batches are skipped', examples: [0] }),
})

/** Returns the schema of a play. It has roles, unless it lists resources. */
export const playSchema = (listsResources: boolean): z.ZodType => (listsResources ? play : play.extend({ roles }))

/** The long form of a role in a play. */
export const roleEntrySchema = z.strictObject({
  role: text.min(1),
  as: text
    .refine((value) => /^[a-z][a-z0-9-]{0,62}$/.test(value), {
      error: 'is not a valid name',
      params: { fix: 'start with a lower-case letter; use lower-case letters, digits and `-`' },
    })
    .optional()
    .meta({ description: 'a name of its own, for a role that is bound to a host several times', examples: ['shop'] }),
  options: anyMap,
})

/** Names of the settings that are allowed at every level. */
export const HOST_SETTINGS: ReadonlySet<string> = new Set(Object.keys({ ...connection, ...lab }))

/** Names of the settings that are allowed only in a host's own entry. */
export const ADDRESS_SETTINGS: ReadonlySet<string> = new Set(Object.keys(addresses))
