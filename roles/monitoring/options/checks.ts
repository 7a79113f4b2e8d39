import { z } from 'provision'
import { severity } from './alerts.ts'
import { hostNames } from './targets.ts'

const RESERVED = ['root', 'prometheus']

/** Name of an account of a host. */
export const accountName = z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'must be a user name')

/** A script that hosts run on a schedule. */
export const check = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,40}$/, 'must be a short word such as queue')
    .meta({ description: 'name of the check', examples: ['queue'] }),
  script: z
    .string()
    .regex(/^(?!\/)[^\p{Cc}]+$/u, 'must be a file of the project')
    .meta({
      description: 'program of the project; it fails by its exit status, and the first line that it prints may be a number to measure',
      examples: ['checks/queue.sh'],
    }),
  hosts: hostNames.optional().meta({ description: 'hosts and groups that run it; default: all', examples: [['web']] }),
  every_seconds: z.int().min(10).max(604_800).default(60).meta({ description: 'time between two runs' }),
  timeout_seconds: z.int().min(1).max(86_400).default(30).meta({ description: 'time after which a run has failed' }),
  user: accountName
    .refine((user) => !RESERVED.includes(user), 'must be an account without rights of its own')
    .optional()
    .meta({ description: 'account that runs it; default: a temporary account', examples: ['www-data'] }),
  severity: severity.default('warning').meta({ description: 'severity of the alert' }),
  summary: z
    .string()
    .regex(/^[^\p{Cc}"\\{}]+$/u, 'must be one line without quotes, backslashes and braces')
    .meta({ description: 'summary of the alert that fires while the check fails', examples: ['the queue is not processed'] }),
})

export type OwnCheck = z.output<typeof check>
