import { z } from 'zod'
import { absolutePath, accountName } from '../kind/path.ts'
import type { KeyState } from './as-user/find-keys.ts'

// A field of passwd(5) cannot contain a colon or a line break.
const passwdPath = absolutePath.refine((path) => !path.includes(':'), 'must not contain a colon')

export const schema = z
  .strictObject({
    name: accountName.meta({ description: 'the login name', examples: ['ops'] }),
    uid: z.int().min(0).max(4_294_967_293).optional().meta({ description: 'the number; default: the next free one' }),
    group: accountName.optional().meta({ description: 'the primary group; default: a group with the same name' }),
    groups: z.array(accountName).default([]).meta({ description: 'supplementary groups to join; other memberships are kept' }),
    home: passwdPath.optional(),
    shell: passwdPath.optional().meta({ description: 'default: /bin/bash, for system users /usr/sbin/nologin' }),
    comment: z
      .string()
      .regex(/^[^:\p{Cc}]*$/u, 'must not contain a colon or control characters')
      .optional(),
    system: z.boolean().default(false).meta({ description: 'use a number from the range of system users and create no home directory' }),
    password: z.literal('locked').optional().meta({ description: '`locked`: no password is accepted; keys still are' }),
    sshKey: z.literal('ed25519').optional().meta({
      description: '`ed25519`: make ~/.ssh/id_ed25519 as this account if it is missing; the private key never leaves the host',
    }),
    state: z.enum(['present', 'absent']).default('present').meta({ description: '`absent`: delete the account' }),
    endSessions: z.boolean().default(false).meta({
      description: 'with `state: absent`, end the processes of the account; otherwise an account with processes is not deleted',
    }),
    removeHome: z
      .boolean()
      .default(false)
      .meta({ description: 'with `state: absent`, delete its home directory too; default: the home stays' }),
  })
  .refine(({ removeHome, state }) => !removeHome || state === 'absent', {
    path: ['removeHome'],
    error: 'must be used with state: absent',
  })
  .refine(({ endSessions, state }) => !endSessions || state === 'absent', {
    path: ['endSessions'],
    error: 'must be used with state: absent',
  })
  .refine(({ sshKey, state }) => sshKey === undefined || state === 'present', {
    path: ['sshKey'],
    error: 'must not be set for an account that is absent',
  })

export type UserSpec = z.output<typeof schema>

export interface Account {
  readonly uid: number
  /** Name of the primary group, or its number if it has no name. */
  readonly group: string
  readonly groups: readonly string[]
  readonly home: string
  readonly shell: string
  readonly comment: string
  /** Queried only if a spec sets it. No password or digest leaves the host. */
  readonly password?: 'locked' | 'empty' | 'set'
  /** False if a directory service has the account. */
  readonly isLocal: boolean
  readonly hasHome: boolean
}

/** State of a user that does not exist on the host. */
export const NO_ACCOUNT = 'absent'

export interface UserState {
  readonly account: Account | typeof NO_ACCOUNT
  /** This run logged in as the user. */
  readonly isRunAccount: boolean
  /** Groups that sudo or sshd admits by name. Observed for the account of the run. */
  readonly grants: readonly string[]
  /** The processes of the user, if the declared number, home or state needs that it has none. With `endSessions`, all that the run ends. */
  readonly busy: string | undefined
  /** Name of the account that has the declared number. */
  readonly uidOwner: string | undefined
  readonly isShellMissing: boolean
  /** The SSH key of the user, and whether the host has ssh-keygen. Observed if a key is declared. */
  readonly sshKey?: { readonly is: KeyState; readonly hasProgram: boolean }
  /** The home of an account to delete with its home, and why root does not delete it. */
  readonly oldHome?: { readonly fault: string | undefined } | undefined
  /** The home that the account gets: why root does not create it, and the owner that it already has, if no account has that number. */
  readonly newHome: { readonly fault: string | undefined; readonly owner: number | undefined }
}

/** The shell that the account gets or keeps; undefined if nothing is declared of an existing one. */
export const shellOf = ({ shell, system }: UserSpec, exists: boolean): string | undefined =>
  shell ?? (exists ? undefined : system ? '/usr/sbin/nologin' : '/bin/bash')

/** useradd's default, unless HOME is set in /etc/default/useradd. */
export const homeOf = ({ name, home }: UserSpec): string => home ?? `/home/${name}`
