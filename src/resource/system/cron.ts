import { z } from 'zod'
import { file } from '../file/file.ts'
import { fileKind } from '../file/file-kind.ts'
import { defineKind } from '../kind/kind.ts'
import { accountName } from '../kind/path.ts'
import { needing } from '../service/needing.ts'
import { cronCommand, environment, environmentLines, escaped, schedule } from './cron-schedule.ts'

const schema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_-]*$/, 'must be a name of letters, digits, - and _: cron ignores files with a dot in their name')
      .meta({ description: 'name of the file in /etc/cron.d', examples: ['report'] }),
    state: z.enum(['present', 'absent']).default('present'),
    environment,
    jobs: z
      .array(
        z.strictObject({
          schedule,
          user: accountName.default('root').meta({ description: 'account that runs the command', examples: ['www-data'] }),
          command: cronCommand,
        }),
      )
      .min(1)
      .optional()
      .meta({ description: 'commands and their times', examples: [[{ schedule: '@daily', command: '/usr/local/bin/report' }]] }),
  })
  .refine(({ state, jobs }) => state === 'absent' || jobs !== undefined, { message: 'is missing', path: ['jobs'] })

const cronFile = fileKind<z.input<typeof schema>, z.output<typeof schema>>({
  name: 'cron',
  summary: 'commands that cron runs at certain times',
  schema,
  id: ({ name }) => name,
  fileOf: ({ name, state, environment: variables, jobs = [] }) => {
    const lines = jobs.map(({ schedule: time, user, command }) => `${time} ${user} ${escaped(command)}\n`)
    return file({ path: `/etc/cron.d/${name}`, state, content: environmentLines(variables) + lines.join('') }).spec
  },
  accounts: ({ jobs = [] }) => ({ users: [...new Set(jobs.map(({ user }) => user))] }),
})

/** The packages cron, cronie, systemd-cron and bcron. */
const DAEMONS = [
  { program: '/usr/sbin/cron', units: ['cron.service'] },
  { program: '/usr/sbin/crond', units: ['cronie.service'] },
  { program: '/usr/lib/systemd/system-generators/systemd-crontab-generator', units: ['cron.target'] },
  { program: '/usr/sbin/bcron-sched', units: ['bcron-sched.service', 'bcron-update.service'] },
]

/**
 * Commands that cron runs at certain times: a file in /etc/cron.d, and a daemon that runs. A mistake that cron would only log is an error of
 * the role.
 */
export const cron = defineKind(
  needing(cronFile, {
    what: 'cron daemon',
    readers: DAEMONS,
    isNeeded: ({ state }) => state === 'present',
    fix: 'declare `package: { name: cron }` before it, or use the kind `timer`, which needs no package',
  }),
)
