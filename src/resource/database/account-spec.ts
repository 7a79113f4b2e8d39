import { createHash } from 'node:crypto'
import { z } from 'zod'
import { isSecret, Secret } from '../../secret/secret.ts'
import { hostFault } from './client-host.ts'
import { servers } from './database.ts'
import { expanded, privilegeFault } from './privileges.ts'

const sha1 = (bytes: string | Uint8Array) => createHash('sha1').update(bytes).digest()

/** The hash that the server stores for a password (mysql_native_password). */
export const nativeHash = (password: string): string =>
  `*${sha1(sha1(Buffer.from(password)))
    .toString('hex')
    .toUpperCase()}`

/** For `superRefine`: refuses privileges that no account can have on the target of their grant, and hosts that match no client. */
export const refuseInvalidAccount = (
  { host, state, grants }: { readonly host: string; readonly state: string; readonly grants: readonly Grant[] },
  context: z.RefinementCtx,
): void => {
  // An account that a former version accepted can still be deleted.
  if (state === 'absent') return
  const refuse = (path: PropertyKey[], fault: { readonly message: string; readonly fix: string } | undefined): void => {
    if (fault !== undefined) context.addIssue({ code: 'custom', path, message: fault.message, params: { fix: fault.fix } })
  }
  refuse(['host'], hostFault(host))
  for (const [i, { on, privileges }] of grants.entries())
    for (const [j, privilege] of privileges.entries()) refuse(['grants', i, 'privileges', j], privilegeFault(on, privilege))
}

interface Grant {
  /** `*.*`, `shop.*`, `shop.orders`. */
  readonly on: string
  readonly privileges: readonly string[]
}

const grant = z.strictObject({
  on: z.string().regex(/^(\*\.\*|[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.(\*|[A-Za-z0-9_$-]{1,64}))$/, 'must be *.*, shop.* or shop.orders'),
  privileges: z.array(z.string()).min(1),
})

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
    /** Tables (`shop.orders`) that an earlier resource creates in this run. */
    arriving: z.array(z.string()).default([]),
    ...servers,
  })
  .superRefine(refuseInvalidAccount)
  .refine(({ host, password, state }) => state === 'absent' || host === 'localhost' || password !== undefined, {
    path: ['password'],
    message: 'must be set for an account that connects over the network',
  })
  .refine(({ host, grants }) => host === 'localhost' || grants.every(({ on }) => on !== '*.*'), {
    path: ['grants'],
    message: 'must not contain *.* for an account that connects over the network',
  })
  .transform((spec) => ({
    ...spec,
    grants: spec.grants.map(({ on, privileges }) => ({ on, privileges: expanded(on, privileges) })),
  }))

export type AccountSpec = z.output<typeof schema>
