import { secret, z } from 'provision'

const absolute = z
  .string()
  .regex(/^\/[^\p{Cc}*?[\]\\]*$/u, 'must be an absolute path without patterns')
  .refine(
    (path) => path === '/' || (!path.endsWith('/') && !/\/(\.\.?)?(\/|$)/.test(path)),
    'must be a plain path: no //, . or .., and no / at the end',
  )

const pattern = z.string().regex(/^[^\p{Cc}]{1,500}$/u, 'must be one line')

const REPOSITORY =
  /^(\/[A-Za-z0-9._/-]+|sftp:[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:\/?[A-Za-z0-9._/-]+|s3:https?:\/\/[A-Za-z0-9.:/_-]+|rest:https:\/\/[A-Za-z0-9.:/_-]+)$/

const dump = z.strictObject({
  command: z
    .string()
    .regex(/^[^\p{Cc}]{1,2000}$/u, 'must be one line')
    .meta({ description: 'command of the shell whose output is backed up; its failure fails the backup', examples: ['pg_dumpall'] }),
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'must be the name of an account')
    .meta({ description: 'account that runs it', examples: ['postgres'] }),
})

const count = z.int().min(0).max(1000)

export const options = z.strictObject({
  paths: z
    .array(absolute)
    .default([])
    .meta({ description: 'directories and files to back up', examples: [['/srv', '/etc']] }),
  exclude: z
    .array(pattern)
    .default([])
    .meta({ description: 'patterns of restic for what is left out', examples: [['*.tmp', '/srv/cache']] }),
  dumps: z
    .record(z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'must be a file name such as shop.sql'), dump)
    .default({})
    .meta({
      description: 'output of commands to back up, by file name',
      examples: [{ 'shop.sql': { command: 'pg_dump shop', user: 'postgres' } }],
    }),
  repository: z
    .string()
    .regex(REPOSITORY, 'must be a path, sftp:USER@HOST:PATH, s3:https://SERVER/BUCKET or rest:https://SERVER/PATH')
    .meta({
      description: 'where the backups are stored, encrypted',
      examples: ['s3:https://s3.example.org/backups', 'sftp:backup@store.example.org:/backups'],
    }),
  password: secret().meta({ description: 'encrypts the repository; without it, no backup can be read', examples: [`\${secret:backup}`] }),
  environment: z
    .record(
      z.string().regex(/^(AWS|B2|AZURE|GOOGLE|RESTIC_REST)_[A-Z0-9_]+$/, 'must be a variable of restic such as AWS_ACCESS_KEY_ID'),
      secret(),
    )
    .default({})
    .meta({
      description: 'credentials of the store',
      examples: [{ AWS_ACCESS_KEY_ID: `\${secret:s3.id}`, AWS_SECRET_ACCESS_KEY: `\${secret:s3.key}` }],
    }),
  ssh: z
    .strictObject({
      key: secret().meta({ description: 'private key of the account of the repository', examples: [`\${secret:backup_key}`] }),
      known_hosts: z
        .array(z.string().regex(/^[^\p{Cc}]{10,2000}$/u, 'must be a line of known_hosts'))
        .min(1)
        .meta({ description: 'lines of known_hosts for the store', examples: [['store.example.org ssh-ed25519 AAAA…']] }),
    })
    .optional()
    .meta({ description: 'login for a repository that begins with sftp:' }),
  schedule: z
    .string()
    .regex(/^[A-Za-z0-9 :*,./~-]{1,80}$/, 'must be a systemd calendar expression such as daily or *-*-* 03:00:00')
    .default('daily')
    .meta({ description: 'calendar expression of systemd' }),
  keep: z
    .strictObject({
      last: count.default(3),
      daily: count.default(7),
      weekly: count.default(5),
      monthly: count.default(12),
      yearly: count.default(0),
    })
    .prefault({})
    .refine((keep) => Object.values(keep).some((one) => one > 0), 'must keep something')
    .meta({ description: 'number of backups that are kept: the last ones, and the last of each day, week, month and year' }),
  sample: z.int().min(1).max(1000).default(20).meta({ description: 'files that each run restores and compares' }),
  max_age_hours: z.int().min(1).default(36).meta({ description: 'age of the last good backup above which `verify` fails' }),
})

export type Options = z.output<typeof options>
