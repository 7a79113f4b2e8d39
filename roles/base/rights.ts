import { type Check, file, type HostView, type Resource, sudoers, z } from 'provision'
import { principalsOf } from './certificates.ts'
import { type Fault, faultsIn, HEAD } from './part.ts'

const some = z.strictObject({
  commands: z
    .array(z.string())
    .min(1)
    .meta({ description: 'commands with their absolute path and arguments', examples: [['/usr/bin/systemctl restart shop']] }),
  as: z.string().default('root').meta({ description: 'account as which the commands run' }),
  password: z.boolean().default(false).meta({ description: 'whether sudo asks for the password of the account' }),
})

export const sudoOption = z
  .union([z.enum(['nopasswd', 'password', 'none']), some])
  .default('nopasswd')
  .meta({
    description:
      '`nopasswd`: may run everything as root, which provision needs; `password`: the same, after typing the password; `none`: nothing; or single commands',
    examples: ['password', { commands: ['/usr/bin/systemctl restart shop'] }],
  })

/** An account with its rights. */
interface Holder {
  readonly name: string
  readonly state: 'present' | 'absent'
  readonly sudo: z.output<typeof sudoOption>
  readonly password?: unknown
}

const pathOf = (name: string): string => `/etc/sudoers.d/provision-${name}`

/** The rights of an account by sudo; a file that is absent if it has none. */
export const rights = ({ name, sudo, state }: Holder): Resource => {
  const path = pathOf(name)
  if (state === 'absent' || sudo === 'none') return file({ path, state: 'absent' })
  if (typeof sudo === 'string')
    return file({ path, mode: '440', content: `${HEAD}${name} ALL=(ALL:ALL) ${sudo === 'nopasswd' ? 'NOPASSWD: ' : ''}ALL\n` })
  const rule = sudoers({ name: `provision-${name}`, users: [name], ...sudo })
  const content = rule.kind.content?.(rule.spec)
  if (content === undefined) throw new Error('a rule of sudo has content')
  return file({ path, mode: '440', content })
}

/** Rights that cannot work, or that the account of the run needs and would lose. */
export const rightsFaults = ({ name, state, sudo, password }: Holder, host: HostView, path: readonly PropertyKey[]): readonly Fault[] => {
  const fault = (key: PropertyKey, what: string, fix: string): Fault => ({ path: [...path, key], what, fix })
  if (state === 'absent') return []
  const asks = sudo === 'password' || (typeof sudo === 'object' && sudo.password)
  return [
    ...(name === host.user && sudo !== 'nopasswd'
      ? [
          fault(
            'sudo',
            `${name} is the account that this run uses, and the run needs sudo`,
            'set `sudo: nopasswd`, or set `user` in the inventory to another account first',
          ),
        ]
      : []),
    ...(asks && password === undefined
      ? [fault('sudo', `${name} has no password that sudo could ask for`, 'set `password` to a secret, as a value of secrets.yaml')]
      : []),
    ...(typeof sudo === 'object'
      ? faultsIn(
          sudoers.kind.schema,
          { name, users: [name], ...sudo },
          (at) => [...path, 'sudo', ...at],
          'write commands as sudoers(5) permits them',
        )
      : []),
  ]
}

/** Checks whether each account may become root as declared, without typing passwords. */
export const accountChecks = (people: readonly Holder[]): readonly Check[] =>
  people.flatMap(({ name, state, sudo }): readonly Check[] => {
    const as = `setpriv --reuid ${name} --clear-groups`
    const root = `${as} sudo -n true`
    if (state === 'absent')
      return [
        { name: `account ${name} does not exist`, script: `! getent passwd ${name}` },
        {
          name: `account ${name} left no jobs, rights or certificates`,
          script: `for path in /var/spool/cron/crontabs/${name} /var/lib/systemd/linger/${name} ${pathOf(name)} ${principalsOf(name)}; do [ ! -e "$path" ] || { echo "$path exists"; exit 1; }; done`,
        },
      ]
    if (sudo === 'nopasswd') return [{ name: `${name} may become root`, script: root }]
    if (sudo === 'none') return [{ name: `${name} may not become root`, script: `! ${root} 2>/dev/null` }]
    const none = { name: `${name} may not become root without a password`, script: `! ${root} 2>/dev/null` }
    return sudo === 'password' || sudo.password ? [none] : [{ ...none, name: `${name} may run single commands only` }]
  })
