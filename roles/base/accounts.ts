import { authorizedKeys, type Check, file, type HostView, pkg, type Resource, user, z } from 'provision'
import { type Fault, faultsIn } from './part.ts'

export const accountsOption = z
  .array(
    z
      .strictObject({
        name: z
          .string()
          .regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'must be a user name')
          .refine((name) => name !== 'root', 'is nobody’s own account')
          .meta({ description: 'the account', examples: ['ann'] }),
        keys: z
          .array(z.string())
          .default([])
          .meta({
            description: 'its public keys, lines as in ~/.ssh/id_ed25519.pub; one that is taken out is taken from the hosts',
            examples: [['ssh-ed25519 AAAA… you@laptop']],
          }),
        exclusive: z.boolean().default(false).meta({ description: 'whether keys that others gave the account go' }),
        groups: z.array(z.string()).default([]).meta({ description: 'groups to belong to besides its own' }),
        shell: z.string().default('/bin/bash'),
        sudo: z
          .enum(['nopasswd', 'none'])
          .default('nopasswd')
          .meta({ description: '`nopasswd`: may do everything as root, as provision must' }),
        state: z.enum(['present', 'absent']).default('present').meta({ description: 'absent: the account goes, its home directory stays' }),
      })
      .refine(({ keys, state }) => state === 'absent' || keys.length > 0, { path: ['keys'], error: 'must name at least one key' }),
  )
  .default([])
  .meta({ description: 'the accounts of those who look after the hosts' })

export type Account = z.output<typeof accountsOption>[number]

/** People's accounts: opened by their keys and by no password, and their right to become root. */
export const accounts = (people: readonly Account[]): readonly Resource[] => [
  ...people.map(({ name, groups, shell, state }) =>
    state === 'absent' ? user({ name, state }) : user({ name, groups, shell, password: 'locked' }),
  ),
  ...people.flatMap(({ name, keys, exclusive, state }) => (state === 'absent' ? [] : [authorizedKeys({ user: name, keys, exclusive })])),
  ...people.map(rights),
]

/** What they need before: sudo is on few bare hosts. */
export const accountPackages = (people: readonly Account[]): readonly Resource[] => (people.length === 0 ? [] : [pkg({ name: 'sudo' })])

const mayBecomeRoot = ({ sudo, state }: Account): boolean => sudo === 'nopasswd' && state === 'present'

const rights = (one: Account): Resource => {
  const path = `/etc/sudoers.d/provision-${one.name}`
  return mayBecomeRoot(one)
    ? file({ path, mode: '440', content: `# Written by provision (role base).\n${one.name} ALL=(ALL:ALL) NOPASSWD: ALL\n` })
    : file({ path, mode: '440', state: 'absent' })
}

/** What would take the run's own account from under it, and names that stand twice. */
export const accountFaults = (people: readonly Account[], host: HostView): readonly Fault[] =>
  people.flatMap((one, i) => {
    const { name, state, sudo, keys } = one
    const fault = (key: string, what: string, fix: string): Fault => ({ path: ['administrators', i, key], what, fix })
    return [
      ...faultsIn(
        authorizedKeys.kind.schema,
        { user: name, keys },
        (path) => ['administrators', i, ...path],
        'write the line in the file that ends in .pub, whole',
      ),
      ...(people.slice(0, i).some((other) => other.name === name)
        ? [fault('name', `${name} stands twice among the administrators`, 'write each account once')]
        : []),
      ...(name === host.user && state === 'absent'
        ? [
            fault(
              'state',
              `${name} is the account that this run logs in with`,
              'log in with another one: write it as user: in the inventory',
            ),
          ]
        : []),
      ...(name === host.user && state === 'present' && sudo === 'none'
        ? [
            fault(
              'sudo',
              `${name} is the account that this run logs in with, and it must become root`,
              'leave it its sudo, or write another user: in the inventory',
            ),
          ]
        : []),
    ]
  })

export const accountChecks = (people: readonly Account[]): readonly Check[] =>
  people.map((one) => {
    const { name, state } = one
    const root = `setpriv --reuid ${name} --clear-groups sudo -n true`
    if (state === 'absent') return { name: `there is no account ${name}`, script: `! getent passwd ${name}` }
    return mayBecomeRoot(one)
      ? { name: `${name} may log in by key and become root`, script: root }
      : { name: `${name} may log in by key and may not become root`, script: `! ${root} 2>/dev/null` }
  })
