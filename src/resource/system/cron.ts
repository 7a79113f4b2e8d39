import { z } from 'zod'
import { file } from '../file/file.ts'
import { defineFileKind } from '../file/file-kind.ts'
import { accountName } from '../kind/path.ts'
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

/** Commands that cron runs at certain times: a file in /etc/cron.d. A mistake that cron would only log is an error of the role. */
export const cron = defineFileKind({
  name: 'cron',
  schema,
  id: ({ name }) => name,
  fileOf: ({ name, state, environment: variables, jobs = [] }) => {
    const lines = jobs.map(({ schedule: time, user, command }) => `${time} ${user} ${escaped(command)}\n`)
    return file({ path: `/etc/cron.d/${name}`, state, content: environmentLines(variables) + lines.join('') }).spec
  },
  accounts: ({ jobs = [] }) => ({ users: [...new Set(jobs.map(({ user }) => user))] }),
})
