import { createHash } from 'node:crypto'
import { z } from 'zod'
import { isSecret, Secret } from '../../secret/secret.ts'
import { servers } from './database.ts'

/** Privileges of `ALL` on one database, in MariaDB 10.11. */
export const ALL = [
  'ALTER',
  'ALTER ROUTINE',
  'CREATE',
  'CREATE ROUTINE',
  'CREATE TEMPORARY TABLES',
  'CREATE VIEW',
  'DELETE',
  'DELETE HISTORY',
  'DROP',
  'EVENT',
  'EXECUTE',
  'INDEX',
  'INSERT',
  'LOCK TABLES',
  'REFERENCES',
  'SELECT',
  'SHOW VIEW',
  'TRIGGER',
  'UPDATE',
]

const sha1 = (bytes: string | Uint8Array) => createHash('sha1').update(bytes).digest()

/** The hash that the server stores for a password (mysql_native_password). */
export const nativeHash = (password: string): string =>
  `*${sha1(sha1(Buffer.from(password)))
    .toString('hex')
    .toUpperCase()}`

const privilege = z
  .string()
  .toUpperCase()
  .transform((name) => (name === 'ALL PRIVILEGES' ? 'ALL' : name))
  .refine((name) => name === 'ALL' || /^[A-Z]+( [A-Z]+)*$/.test(name), 'must be a privilege such as SELECT')

const grant = z
  .strictObject({
    /** `*.*`, `shop.*`, `shop.orders`. */
    on: z.string().regex(/^(\*\.\*|[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.(\*|[A-Za-z0-9_$-]{1,64}))$/, 'must be *.*, shop.* or shop.orders'),
    privileges: z.array(privilege).min(1),
  })
  .transform(({ on, privileges }) => ({ on, privileges: [...new Set(privileges.includes('ALL') ? ALL : privileges)].sort() }))

export const schema = z
  .strictObject({
    user: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$|^$/, 'must be an account name: letters, digits, underscores, dots and dashes'),
    host: z
      .string()
      .regex(/^[A-Za-z0-9.:%_/-]{1,60}$/, 'must be the host of the client: %, localhost, an address, or a network')
      .default('%'),
    state: z.enum(['present', 'absent']).default('present'),
    /** The password. Without one, the system account of the same name on the host may log in through the socket. */
    password: z
      .custom<Secret>(isSecret, 'must be a secret')
      // Only the hash that the server stores is sent to a host.
      .transform((password) => new Secret(nativeHash(password.reveal())))
      .optional(),
    grants: z.array(grant).default([]),
    ...servers,
  })
  .refine(({ host, password, state }) => state === 'absent' || host === 'localhost' || password !== undefined, {
    path: ['password'],
    message: 'must be set for an account that connects over the network',
  })
  .refine(({ host, grants }) => host === 'localhost' || grants.every(({ on }) => on !== '*.*'), {
    path: ['grants'],
    message: 'must not contain *.* for an account that connects over the network',
  })

export type AccountSpec = z.output<typeof schema>
