import { z } from 'zod'
import { isSecret, type Secret } from '../../secret/secret.ts'
import { Script } from '../../shell/script.ts'
import type { Trigger } from '../kind/kind.ts'
import { absolutePath, accountName } from '../kind/path.ts'
import { resourceNames } from './when.ts'

const isTextOrSecret = (value: unknown): boolean => typeof value === 'string' || isSecret(value)

export const shellScript = z
  .union([z.string(), z.instanceof(Script).transform(String)], { error: 'must be a shell script' })
  .refine((text) => /^[^\0]*[^\s\0][^\0]*$/.test(text), 'must be a shell script')

const environment = z
  .record(
    z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of a variable, such as NODE_ENV'),
    z
      .custom<string | number | Secret>((value) => typeof value === 'number' || isTextOrSecret(value), 'must be text or a secret')
      .refine((value) => typeof value !== 'string' || !value.includes('\0'), 'must have no NUL')
      .transform((value) => (typeof value === 'number' ? String(value) : value)),
  )
  .optional()

/** Options that a command and a script share. */
export const runOptions = {
  name: z
    .string()
    .regex(/^[^\p{Cc}]+$/u, 'must be one line of text')
    .meta({ description: 'a short description, shown in the plan' }),
  when: resourceNames.optional().meta({
    description:
      'earlier resources of this host: run if one of them has changed since the last success. A resource, its key, or a path, which names everything declared there and below',
    examples: [['file:/etc/app.conf', 'package:app', '/etc/app/conf.d']],
  }),
  unless: shellScript.optional().meta({ description: 'POSIX sh that succeeds if there is nothing to do; it must change nothing' }),
  creates: absolutePath.optional().meta({ description: 'a path that exists if there is nothing to do' }),
  onlyIf: shellScript.optional().meta({
    description: 'POSIX sh that succeeds if it may run now; otherwise it stays due. It must change nothing',
    examples: ['systemctl is-active -q app.service'],
  }),
  user: accountName.optional().meta({
    description: 'account that runs it and its conditions, with its own groups, HOME and PATH; default root',
    examples: ['app'],
  }),
  directory: absolutePath.optional().meta({ description: 'working directory, entered as that account; default /' }),
  umask: z
    .string()
    .regex(/^0?[0-7]{3}$/, 'must be an octal number such as 027')
    .default('022')
    .meta({ description: 'permissions that new files do not get', examples: ['027'] }),
  environment: environment.meta({
    description:
      'variables for the script, not for its conditions. A secret reaches the host on standard input; root and the account can read it in /proc while the script runs',
    examples: [{ NODE_ENV: 'production' }],
  }),
  input: z
    .custom<string | Secret>(isTextOrSecret, 'must be text or a secret')
    .optional()
    .meta({ description: 'standard input of the script, also for secrets' }),
  exitCodes: z
    .array(z.int().min(0).max(125))
    .min(1)
    .default([0])
    .meta({ description: 'exit statuses that count as success', examples: [[0, 2]] }),
  withinMinutes: z
    .number()
    .positive()
    .max(7 * 24 * 60)
    .optional()
    .meta({ description: 'time limit in minutes, default 30; the script is killed and fails after that' }),
}

/** Refuses options under which it would run every time. */
export const hasCondition = ({ when, unless, creates }: Pick<RunSpec, 'when' | 'unless' | 'creates'>): boolean =>
  when !== undefined || unless !== undefined || creates !== undefined

export const NO_CONDITION = {
  message: 'must be set, or `creates` or `when`: without a condition it would run every time',
  path: ['unless'],
}

const optionsSchema = z.strictObject(runOptions)

/** What a command and a script have in common. */
export type RunSpec = z.output<typeof optionsSchema> & {
  /** The resources that `when` names. */
  readonly triggers?: readonly Trigger[]
}
