import { authorizedKeys, file, type HostView, pkg, type Resource, secret, user, userPassword, z } from 'provision'
import { principalsOf } from './certificates.ts'
import { accountName, type Fault, faultsIn } from './part.ts'
import { rights, rightsFaults, sudoOption } from './rights.ts'

const entry = z
  .strictObject({
    name: accountName
      .refine((name) => name !== 'root', 'must be a personal account')
      .meta({ description: 'the account name', examples: ['ann'] }),
    keys: z
      .array(z.string())
      .default([])
      .meta({
        description: 'public keys, as in ~/.ssh/id_ed25519.pub; a key that is removed here is removed from the hosts',
        examples: [['ssh-ed25519 AAAA… you@laptop']],
      }),
    exclusive: z.boolean().default(false).meta({ description: 'remove keys of the account that are not listed' }),
    groups: z.array(z.string()).default([]).meta({ description: 'supplementary groups' }),
    shell: z.string().default('/bin/bash').meta({ description: 'login shell' }),
    sudo: sudoOption,
    password: secret()
      .optional()
      .meta({ description: 'password for sudo and the console; sshd accepts keys only. Default: none is accepted' }),
    totp: secret().optional().meta({
      description: 'secret of a second factor in base32: sshd asks for a code (TOTP) after the key. Never for the account of the run',
    }),
    state: z
      .enum(['present', 'absent'])
      .default('present')
      .meta({ description: '`absent` removes rights and keys, ends sessions, and deletes the account with its jobs' }),
    home: z.enum(['keep', 'delete']).default('keep').meta({ description: 'with `state: absent`: whether the home directory stays' }),
  })
  .refine(({ home, state }) => home === 'keep' || state === 'absent', { path: ['home'], error: 'must be used with state: absent' })

export const accountsOption = z.array(entry).default([]).meta({ description: 'accounts of the people who administer the hosts' })

export const moreAccountsOption = z
  .array(entry)
  .default([])
  .meta({
    description: 'accounts that a group or a host has in addition to `administrators`, such as one of an automatic job',
    examples: [[{ name: 'deploy', keys: ['ssh-ed25519 AAAA… deploy@ci'] }]],
  })

/** The options that list accounts. */
interface Lists {
  readonly administrators: readonly Account[]
  readonly more_administrators: readonly Account[]
}

/** Names of these options. */
export const LISTS = ['administrators', 'more_administrators'] as const

/** All accounts of a host. */
export const accountsOf = (lists: Lists): readonly Account[] => LISTS.flatMap((option) => lists[option])

export type Account = z.output<typeof entry>

/**
 * Returns the deletions of absent people, before anything else is changed: the right to become root, their keys, their processes, and the
 * account. All keys are deleted, because the home directory stays, and a new account of this name would accept them.
 */
export const departures = (people: readonly Account[]): readonly Resource[] => {
  const leaving = people.filter(({ state }) => state === 'absent')
  return [
    ...people.filter((one) => !hasRights(one)).map(rights),
    ...leaving.map(({ name }) => authorizedKeys({ user: name, keys: [], exclusive: true })),
    ...leaving.map(({ name }) => file({ path: principalsOf(name), state: 'absent' })),
    ...leaving.map(({ name, state, home }) => user({ name, state, endSessions: true, removeHome: home === 'delete' })),
  ]
}

/** Accounts of administrators, with keys, without passwords, and with their sudo rights. */
export const accounts = (people: readonly Account[]): readonly Resource[] => {
  const staying = people.filter(({ state }) => state === 'present')
  return [
    ...staying.map(({ name, groups, shell, password }) =>
      user({ name, groups, shell, ...(password === undefined && { password: 'locked' as const }) }),
    ),
    ...staying.flatMap(({ name, password }) => (password === undefined ? [] : [userPassword({ user: name, password })])),
    ...staying.map(({ name, keys, exclusive }) => authorizedKeys({ user: name, keys, exclusive })),
    ...people.filter(hasRights).map(rights),
  ]
}

/** Packages that the accounts need: few bare hosts have sudo. */
export const accountPackages = (people: readonly Account[]): readonly Resource[] => (people.length === 0 ? [] : [pkg({ name: 'sudo' })])

const hasRights = ({ sudo, state }: Account): boolean => sudo !== 'none' && state === 'present'

/** Invalid keys, repeated names, and changes that would lock out the account of the run. */
export const accountFaults = (lists: Lists & { readonly ssh: { readonly certificates?: unknown } }, host: HostView): readonly Fault[] => {
  const { administrators, more_administrators } = lists
  const names = administrators.map(({ name }) => name)
  return [
    ...(lists.ssh.certificates === undefined ? LISTS.flatMap((option) => withoutKeys(option, lists[option])) : []),
    ...LISTS.flatMap((option) => faultsOfList(option, lists[option], host)),
    ...more_administrators.flatMap(({ name }, i) =>
      names.includes(name)
        ? [{ path: ['more_administrators', i, 'name'], what: `${name} is in administrators too`, fix: 'remove one of the two entries' }]
        : [],
    ),
  ]
}

/** People who could not log in: without a key, and without certificates. */
const withoutKeys = (option: keyof Lists, people: readonly Account[]): readonly Fault[] =>
  people.flatMap(({ name, state, keys }, i) =>
    state === 'present' && keys.length === 0
      ? [{ path: [option, i, 'keys'], what: `${name} has no key`, fix: 'add a public key, or set ssh.certificates' }]
      : [],
  )

const faultsOfList = (option: keyof Lists, people: readonly Account[], host: HostView): readonly Fault[] =>
  people.flatMap((one, i) => {
    const { name, state, keys } = one
    const fault = (key: string, what: string, fix: string): Fault => ({ path: [option, i, key], what, fix })
    return [
      ...faultsIn(authorizedKeys.kind.schema, { user: name, keys }, (path) => [option, i, ...path], 'copy the whole line of the .pub file'),
      ...(people.slice(0, i).some((other) => other.name === name)
        ? [fault('name', `${name} is listed twice`, 'remove one of the two')]
        : []),
      ...(name === host.user && state === 'absent'
        ? [fault('state', `${name} is the account that this run uses`, 'set `user` in the inventory to another account first')]
        : []),
      ...rightsFaults(one, host, [option, i]),
    ]
  })
