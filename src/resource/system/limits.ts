import { z } from 'zod'
import { file } from '../file/file.ts'
import { fileKind } from '../file/file-kind.ts'
import { defineKind } from '../kind/kind.ts'
import { needing } from '../service/needing.ts'

const ITEMS = [
  ...['core', 'data', 'fsize', 'memlock', 'nofile', 'rss', 'stack', 'cpu', 'nproc', 'as', 'maxlogins', 'maxsyslogins', 'nonewprivs'],
  ...['priority', 'locks', 'sigpending', 'msgqueue', 'nice', 'rtprio'],
] as const

const schema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_-]*$/, 'must be a name of letters, digits, - and _')
      .meta({ description: 'name of the file in /etc/security/limits.d, without .conf', examples: ['shop'] }),
    state: z.enum(['present', 'absent']).default('present'),
    limits: z
      .array(
        z.strictObject({
          domain: z
            .string()
            .regex(/^(\*|@?[a-z_][a-z0-9_-]{0,31})$/, 'must be an account, a group such as @staff, or *')
            .meta({ description: 'account, group (`@staff`) or `*` for all but root', examples: ['@staff'] }),
          type: z.enum(['soft', 'hard', '-']).default('-').meta({ description: '-: soft and hard limit' }),
          item: z.enum(ITEMS).meta({ description: 'limit, as in limits.conf(5)', examples: ['nofile'] }),
          value: z
            .union([z.int().min(-20).max(Number.MAX_SAFE_INTEGER), z.literal('unlimited')])
            .meta({ description: 'number in the unit of limits.conf(5), or unlimited', examples: [65_536] }),
        }),
      )
      .min(1)
      .optional()
      .meta({ description: 'limits of sessions' }),
  })
  .refine(({ state, limits }) => state === 'absent' || limits !== undefined, { message: 'is missing', path: ['limits'] })

const limitsFile = fileKind<z.input<typeof schema>, z.output<typeof schema>>({
  name: 'limits',
  summary: 'limits of login sessions',
  schema,
  id: ({ name }) => name,
  fileOf: ({ name, state, limits: entries = [] }) => {
    const lines = entries.map(({ domain, type, item, value }) => `${domain} ${type} ${item} ${value}\n`)
    return file({ path: `/etc/security/limits.d/${name}.conf`, state, content: lines.join('') }).spec
  },
  orphan: { delete: 'file', note: 'open sessions keep their limits' },
})

/** Limits of login sessions (limits.conf(5)). Services have limits of their own, in their units. */
export const limits = defineKind(
  needing(limitsFile, {
    what: 'session with pam_limits in /etc/pam.d',
    readers: [{ directory: '/etc/pam.d', line: /^\s*-?session\s.*\bpam_limits\.so\b/ }],
    isNeeded: ({ state }) => state === 'present',
    fix: 'declare a `line` before it that adds `session required pam_limits.so` to /etc/pam.d/common-session',
  }),
)
