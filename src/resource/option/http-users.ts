import { z } from 'zod'
import type { Secret } from '../../secret/secret.ts'
import { passwordFault, passwordHash } from '../account/password.ts'
import { type Text, text } from '../kind/content.ts'
import { secret } from '../kind/secret.ts'

/** An option with users by name, and their passwords, for HTTP Basic. */
export const httpUsers = z
  .record(z.string().regex(/^[A-Za-z0-9._@-]{1,64}$/, 'must be a name without spaces and colons'), secret())
  .refine((users) => Object.keys(users).length > 0, 'must name at least one user')
  .superRefine((users, context) => {
    for (const [name, password] of Object.entries(users)) {
      const message = passwordFault(password)
      if (message !== undefined) context.addIssue({ code: 'custom', path: [name], message })
    }
  })

type Users = Readonly<Record<string, Secret>>

/** Returns a file of users that nginx reads (`auth_basic_user_file`), with digests that are different at every place. */
export const httpUsersFile = (users: Users, place: string): Text => lines(users, place, (name) => `${name}:`)

/** Returns the lines of a `userlist` section of HAProxy. */
export const httpUserList = (users: Users, place: string): Text => lines(users, place, (name) => `    user ${name} password `)

const lines = (users: Users, place: string, before: (name: string) => string): Text => ({
  type: 'text',
  parts: Object.entries(users).flatMap(([name, password]) => text`${before(name)}${passwordHash(password, `${place} ${name}`)}\n`.parts),
})
