import { z } from 'zod'

/** An absolute path in its shortest form: no `.` or `..`, no doubled or trailing slash, no control characters. One file has one name. */
export const absolutePath = z
  .string()
  .regex(/^(\/|(\/[^/\p{Cc}]+)+)$/u, 'must be an absolute path without control characters or doubled slashes')
  .refine((path) => !path.split('/').some((part) => part === '.' || part === '..'), 'must not contain . or ..')

/** Octal permission bits as `stat` prints them: `644`, `2755`. A leading zero is accepted and dropped. */
export const fileMode = z
  .string()
  .regex(/^0?[0-7]{3,4}$/, 'must be an octal mode such as 644')
  .transform((mode) => Number.parseInt(mode, 8).toString(8))

/** A user or group name as useradd accepts it (NAME_REGEX of Debian's adduser, which also lets system accounts start with `_`). */
export const accountName = z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'must be a user or group name')

/** The options `owner` and `group`, both root by default. */
export const ownership = { owner: accountName.default('root'), group: accountName.default('root') }

/** Returns the parent directory of a path. */
export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/'

/** Returns the last part of a path. */
export const baseOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)
