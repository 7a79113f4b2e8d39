import { z } from 'zod'
import { file } from '../file/file.ts'
import { fileKind } from '../file/file-kind.ts'
import { defineKind } from '../kind/kind.ts'
import { accountName } from '../kind/path.ts'
import { needing } from '../service/needing.ts'

const names = (description: string) =>
  z
    .array(accountName)
    .default([])
    .meta({ description, examples: [['deploy']] })

const schema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_-]*$/, 'must be a name of letters, digits, - and _: sudo ignores files with a dot in their name')
      .meta({ description: 'name of the file in /etc/sudoers.d', examples: ['deploy'] }),
    state: z.enum(['present', 'absent']).default('present'),
    users: names('accounts that may run the commands'),
    groups: names('groups whose members may run them'),
    as: z
      .union([z.literal('ALL'), accountName], { error: 'must be the name of an account, or ALL' })
      .default('root')
      .meta({ description: 'account as which the commands run; ALL: any account and group', examples: ['www-data'] }),
    commands: z
      .union([
        z.literal('ALL'),
        z
          .array(
            z
              .string()
              .regex(/^\/[^\s\p{Cc}!"]+( [^\p{Cc}!"]*[^\s\p{Cc}!"])?$/u, 'must be a command with its absolute path, without ! and quotes')
              .refine(
                (command) => !command.split(' ').some((word) => word.includes('*')),
                'must not have a *, which matches spaces and slashes too',
              )
              .refine(
                (command) => !/ \^.*\$$/.test(command),
                'must not have arguments from ^ to $, which sudo reads as a regular expression',
              ),
          )
          .min(1),
      ])
      .optional()
      .meta({
        description: 'commands with their arguments, or ALL; without arguments, all are allowed',
        examples: [['/usr/bin/systemctl restart shop']],
      }),
    password: z.boolean().default(true).meta({ description: 'false: sudo asks for no password' }),
  })
  .superRefine(({ state, users, groups, commands }, context) => {
    if (state === 'absent') return
    const issue = (path: string, message: string): unknown => context.addIssue({ code: 'custom', path: [path], message })
    if (users.length + groups.length === 0) issue('users', 'must name an account, or groups a group')
    if (commands === undefined) issue('commands', 'is missing')
  })

type SudoersSpec = z.output<typeof schema>

const rule = fileKind<z.input<typeof schema>, SudoersSpec>({
  name: 'sudoers',
  summary: 'rule of sudo, checked by visudo',
  schema,
  id: ({ name }) => name,
  fileOf: (spec) => file({ path: `/etc/sudoers.d/${spec.name}`, mode: '440', state: spec.state, content: textOf(spec) }).spec,
})

/** A rule of sudo. It goes live only if visudo accepts it together with all others, and the account of the run can still become root. */
export const sudoers = defineKind(
  needing(rule, {
    what: 'sudo',
    readers: [{ program: '/usr/bin/sudo' }],
    isNeeded: ({ state }) => state === 'present',
    fix: 'declare `package: { name: sudo }` before it',
  }),
)

const textOf = ({ users, groups, as, commands = [], password }: SudoersSpec): string => {
  const who = [...users, ...groups.map((group) => `%${group}`)].join(', ')
  const what = commands === 'ALL' ? commands : commands.map(escaped).join(', ')
  return `${who} ALL=(${as === 'ALL' ? 'ALL:ALL' : as}) ${password ? '' : 'NOPASSWD: '}${what}\n`
}

/** sudoers(5): these characters have a meaning in a command, and so has a pattern. */
const escaped = (command: string): string => command.replaceAll(/[,:=\\?[\]#]/g, '\\$&')
