import { z } from 'zod'
import { isSecret, Secret } from '../../secret/secret.ts'
import { limits } from './account-limits.ts'
import { hostFault } from './client-host.ts'
import { servers } from './database.ts'
import type { Flavour } from './flavour.ts'
import { passwordHash } from './password-hash.ts'
import { administratorFault, expanded, privilegeFault } from './privileges.ts'

interface AccountOptions {
  readonly host: string
  readonly state: string
  readonly grants: readonly Grant[]
  readonly administrator?: boolean
}

export interface AccountFault {
  readonly path: PropertyKey[]
  readonly message: string
  readonly fix: string
}

/** Faults of an account: a name that the server refuses (with an empty path), hosts that match no client, privileges that its targets lack. */
export const accountFaults = (user: string, given: AccountOptions, flavour: Flavour): readonly AccountFault[] => {
  const { host, state, grants } = given
  // An account that a former version accepted can still be deleted.
  if (state === 'absent') return []
  const at = (path: PropertyKey[], fault: { readonly message: string; readonly fix: string } | undefined): readonly AccountFault[] =>
    fault === undefined ? [] : [{ path, ...fault }]
  return [
    ...at(
      [],
      flavour === 'mysql' && user.length > LONGEST_MYSQL_NAME
        ? {
            message: `has a name of ${user.length} characters, and MySQL allows ${LONGEST_MYSQL_NAME}`,
            fix: `shorten the name to ${user.slice(0, LONGEST_MYSQL_NAME)}, for example`,
          }
        : undefined,
    ),
    ...at(['host'], hostFault(host)),
    ...grants.flatMap(({ on, privileges }, i) =>
      privileges.flatMap((privilege, j) =>
        at(
          ['grants', i, 'privileges', j],
          privilegeFault(on, privilege, flavour) ??
            (given.administrator === true || host === 'localhost' ? undefined : administratorFault(on, privilege, flavour)),
        ),
      ),
    ),
  ]
}

const LONGEST_MYSQL_NAME = 32

/** For `superRefine`: refuses an account with faults. */
export const refuseInvalidAccount = (
  given: AccountOptions & { readonly user?: string; readonly flavour?: Flavour },
  context: z.RefinementCtx,
): void => {
  for (const { path, message, fix } of accountFaults(given.user ?? '', given, given.flavour ?? 'mariadb'))
    context.addIssue({ code: 'custom', path: path.length === 0 ? ['user'] : path, message, params: { fix } })
}

interface Grant {
  /** `*.*`, `shop.*`, `shop.orders`. */
  readonly on: string
  readonly privileges: readonly string[]
}

const grant = z.strictObject({
  on: z
    .string()
    .regex(/^(\*\.\*|[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.(\*|[A-Za-z0-9_$-]{1,64}))$/, 'must be *.*, shop.* or shop.orders')
    .meta({ description: 'all databases, a database or a table', examples: ['shop.*', 'shop.orders', '*.*'] }),
  privileges: z
    .array(z.string())
    .min(1)
    .meta({
      description:
        'privileges in the words of the server. ALL: every privilege on the database or table; on *.*, every privilege on databases and none on the server, which is less than ALL PRIVILEGES of MariaDB',
      examples: [['SELECT', 'INSERT', 'UPDATE', 'DELETE']],
    }),
})

export const schema = z
  .strictObject({
    user: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$|^$/, 'must be an account name: letters, digits, underscores, dots and dashes')
      .meta({ description: 'name of the account', examples: ['shop'] }),
    host: z
      .string()
      .regex(/^[A-Za-z0-9.:%_/-]{1,60}$/, 'must be the host of the client: %, localhost, an address, or a network')
      .default('%')
      .meta({ description: 'clients that may log in: %, localhost, an address, or a network', examples: ['localhost', '10.0.0.%'] }),
    state: z.enum(['present', 'absent']).default('present').meta({ description: 'absent: the account is deleted' }),
    password: z.custom<Secret>(isSecret, 'must be a secret').optional().meta({
      description: 'the password; without one, the system account of the same name on the host may log in through the socket',
    }),
    grants: z
      .array(grant)
      .default([])
      .meta({ description: 'all privileges of the account; others are revoked', examples: [[{ on: 'shop.*', privileges: ['ALL'] }]] }),
    administrator: z.boolean().default(false).meta({
      description: 'permit privileges on *.* by which a client over the network can read or change all databases and accounts',
    }),
    subject: z
      .string()
      .regex(/^(\/[A-Za-z]+=[A-Za-z0-9 ._-]{1,64}){1,8}$/, 'must be the subject of a certificate such as /CN=shop.user')
      .optional()
      .meta({
        description: 'subject of the certificate that a client must present, signed by an authority that the server trusts; default: none',
        examples: ['/CN=shop.user.database.provision.internal'],
      }),
    limits: limits.optional().meta({ description: 'limits of the account; default: none', examples: [{ connections: 20 }] }),
    arriving: z
      .array(z.string())
      .default([])
      .meta({ description: 'tables that an earlier resource creates in this run', examples: [['shop.orders']] }),
    ...servers,
  })
  .superRefine(refuseInvalidAccount)
  .refine(({ host, password, state }) => state === 'absent' || host === 'localhost' || password !== undefined, {
    path: ['password'],
    message: 'must be set for an account that connects over the network',
  })
  .refine(({ host, subject }) => host !== 'localhost' || subject === undefined, {
    path: ['subject'],
    message: 'must not be set for an account that connects through the socket, which has no certificates',
  })
  .transform((spec) => ({
    ...spec,
    // Only the hash that the server stores is sent to a host.
    password: spec.password && new Secret(passwordHash(spec.password.reveal(), spec)),
    grants: spec.grants.map(({ on, privileges }) => ({ on, privileges: expanded(on, privileges, spec.flavour) })),
  }))

export type AccountSpec = z.output<typeof schema>
