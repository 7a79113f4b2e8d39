import { z } from 'zod'
import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { describeDifferences, differing } from '../kind/differences.ts'
import { type Difference, defineKind, type Work } from '../kind/kind.ts'
import { inTurn } from '../kind/one-by-one.ts'
import { absolutePath, accountName, parentOf } from '../kind/path.ts'
import { guardScript } from '../kind/walk.ts'
import { getentScript, NO_ACCOUNT, readDatabase } from './accounts.ts'

// A field of passwd(5) cannot contain a colon or a line break.
const passwdPath = absolutePath.refine((path) => !path.includes(':'), 'must not contain a colon')

const schema = z.strictObject({
  name: accountName.meta({ description: 'the login name', examples: ['ops'] }),
  uid: z.int().min(0).max(4_294_967_293).optional().meta({ description: 'the number; default: the next free one' }),
  group: accountName.optional().meta({ description: 'the primary group; default: a group with the same name' }),
  groups: z.array(accountName).default([]).meta({ description: 'supplementary groups to join; other memberships are kept' }),
  home: passwdPath.optional(),
  shell: passwdPath.optional().meta({ description: 'default: /bin/bash, for system users /usr/sbin/nologin' }),
  comment: z
    .string()
    .regex(/^[^:\p{Cc}]*$/u, 'must not contain a colon or control characters')
    .optional(),
  system: z.boolean().default(false).meta({ description: 'use a number from the range of system users and create no home directory' }),
  password: z.literal('locked').optional().meta({ description: '`locked`: no password is accepted; keys still are' }),
  state: z.enum(['present', 'absent']).default('present').meta({ description: '`absent`: delete the account, keep its home directory' }),
})

export type UserSpec = z.output<typeof schema>

export interface Account {
  readonly uid: number
  /** Name of the primary group, or its number if it has no name. */
  readonly group: string
  readonly groups: readonly string[]
  readonly home: string
  readonly shell: string
  readonly comment: string
  /** Queried only if a spec sets it. No password or digest leaves the host. */
  readonly password?: 'locked' | 'empty' | 'set'
}

export type UserState = Account | typeof NO_ACCOUNT

/** A user account: number, groups, home, shell, and whether it accepts a password. */
export const user = defineKind({
  name: 'user',
  schema,
  id: ({ name }) => name,

  observe: (specs: readonly UserSpec[]) => ({
    script: specs.length === 0 ? sh`` : script(specs.some(({ password }) => password !== undefined)),
    parse: (stdout) => (specs.length === 0 ? new Map() : readAccounts(stdout.toString(), specs)),
  }),

  plan: (spec, state) => {
    if (spec.state === 'absent') {
      return state === NO_ACCOUNT ? undefined : { action: 'delete', certainty: 'exact', reason: 'declared absent', differences: [] }
    }
    if (state === NO_ACCOUNT) return { action: 'create', certainty: 'exact', reason: 'missing', differences: [] }
    const differences = differencesOf(spec, state)
    return differences.length === 0
      ? undefined
      : { action: 'update', certainty: 'exact', reason: describeDifferences(differences), differences }
  },

  orphan: { keep: 'its files would lose their owner; declare it with state: absent to delete it' },
  apply: (work: readonly Work<UserSpec, UserState>[]) =>
    inTurn(work, scriptOf, {
      doing: 'changing users',
      failed: (id) => `user ${id} not changed`,
      fix: 'if the user is logged in, end its processes first: its number and home cannot change and it cannot be deleted meanwhile',
    }),
})

// Two processes for any number of users. Builtins read the shadow file and print only the kind of each password field.
const script = (withPasswords: boolean): Script =>
  sh`${getentScript('passwd')}${getentScript('group')}${
    withPasswords
      ? sh`while IFS=: read -r name password _; do
case $password in '') password=empty;; [!!*]*) password=set;; *) password=locked;; esac; printf 'password %s %s\\n' "$name" "$password"
done </etc/shadow
`
      : sh``
  }`

const readAccounts = (answer: string, specs: readonly UserSpec[]): ReadonlyMap<string, UserState> => {
  const groups = readDatabase(answer, 'group').map(([name = '', , gid = '', members = '']) => ({ name, gid, members: members.split(',') }))
  const passwords = new Map([...answer.matchAll(/^password ([^ :]+) (locked|empty|set)$/gm)].map(([, name, state]) => [name, state]))
  const accounts = new Map(
    readDatabase(answer, 'passwd').map(([name = '', , uid, gid = '', comment = '', home = '', shell = '']): [string, Account] => {
      const password = passwords.get(name) as Account['password']
      return [
        name,
        {
          uid: Number(uid),
          group: groups.find((one) => one.gid === gid)?.name ?? gid,
          groups: groups.filter(({ members }) => members.includes(name)).map((one) => one.name),
          home,
          shell,
          comment,
          ...(password === undefined ? {} : { password }),
        },
      ]
    }),
  )
  return new Map(specs.map(({ name }): [string, UserState] => [name, accounts.get(name) ?? NO_ACCOUNT]))
}

const differencesOf = (spec: UserSpec, state: Account): readonly Difference[] => {
  const { uid, group, home, shell, comment, password } = spec
  const missing = spec.groups.filter((name) => name !== state.group && !state.groups.includes(name))
  return [
    ...differing({ uid, group, home, shell, comment, password }, state),
    ...(missing.length === 0 ? [] : [{ key: 'groups', from: state.groups.join(', '), to: [...state.groups, ...missing].join(', ') }]),
  ]
}

// A package of this run may have created the account since the observation, so the script checks again and then only updates it.
const scriptOf = ({ spec }: Work<UserSpec, UserState>): Script => {
  const { name, groups, system, home } = spec
  if (spec.state === 'absent') return sh`if getent passwd ${name} >/dev/null; then userdel ${name}; fi`
  const settings = settingsOf(spec)
  const change = [...settings, ...(groups.length === 0 ? [] : ['-a', '-G', groups.join(',')])]
  const make = [
    ...settingsOf({ ...spec, shell: spec.shell ?? (system ? '/usr/sbin/nologin' : '/bin/bash') }),
    ...(groups.length === 0 ? [] : ['-G', groups.join(',')]),
    ...(system ? ['-r', '-M'] : ['-m']),
    // `*` matches no password; unlike `!`, sshd without PAM does not treat the account as locked.
    ...(spec.password === undefined ? ['-p', '*'] : []),
  ]
  // useradd creates a group of the same name and fails if it exists.
  const own = spec.group === undefined ? sh`own=-U; if getent group ${name} >/dev/null; then own=${`-g ${name}`}; fi; ` : sh`own=; `
  return sh`if getent passwd ${name} >/dev/null; then ${change.length === 0 ? sh`:` : sh`usermod ${[...change, name]}`}
else ${home === undefined || system ? sh`` : sh`${guardScript([parentOf(home)])}; `}${own}useradd $own ${make} ${name}; fi`
}

const settingsOf = ({ uid, group, home, shell, comment, password }: UserSpec): readonly string[] =>
  [
    ['-u', uid?.toString()],
    ['-g', group],
    ['-d', home],
    ['-s', shell],
    ['-c', comment],
    ['-p', password === undefined ? undefined : '*'],
  ].flatMap(([flag, value]) => (flag === undefined || value === undefined ? [] : [flag, value]))
