import { z } from 'zod'
import { commandLine, quote } from '../../shell/quote.ts'
import { differing, inWords } from '../kind/differences.ts'
import { type Difference, defineKind, type Work } from '../kind/kind.ts'
import { inTurn } from '../kind/one-by-one.ts'
import { absolutePath, accountName, parentOf } from '../kind/path.ts'
import { guardScript } from '../kind/walk.ts'
import { getentScript, NO_ACCOUNT, readDatabase } from './accounts.ts'

// passwd(5) has no way to write a colon or a line break into a field.
const passwdPath = absolutePath.refine((path) => !path.includes(':'), 'must not contain a colon')

const schema = z.strictObject({
  name: accountName.meta({ description: 'the login name', examples: ['ops'] }),
  uid: z.int().min(0).max(4_294_967_293).optional().meta({ description: 'its number; the next free one where it is not given' }),
  group: accountName.optional().meta({ description: 'the primary group; one of the same name where it is not given' }),
  groups: z.array(accountName).default([]).meta({ description: 'groups it shall belong to besides; others it is in are left alone' }),
  home: passwdPath.optional(),
  shell: passwdPath.optional().meta({ description: '/bin/bash, for system users /usr/sbin/nologin, where it is not given' }),
  comment: z
    .string()
    .regex(/^[^:\p{Cc}]*$/u, 'must not contain a colon or control characters')
    .optional(),
  system: z.boolean().default(false).meta({ description: 'a number from the range of system users, and no home directory is made' }),
  password: z.literal('locked').optional().meta({ description: '`locked`: no password opens this account; keys still do' }),
  state: z.enum(['present', 'absent']).default('present').meta({ description: 'absent: the account goes, its home directory stays' }),
})

export type UserSpec = z.output<typeof schema>

export interface Account {
  readonly uid: number
  /** Name of the primary group, or its number where it has no name. */
  readonly group: string
  readonly groups: readonly string[]
  readonly home: string
  readonly shell: string
  readonly comment: string
  /** Only asked for where a spec speaks of it; no password or digest ever leaves the host. */
  readonly password?: 'locked' | 'empty' | 'set'
}

export type UserState = Account | typeof NO_ACCOUNT

/** A user account: number, groups, home, shell, and whether a password opens it. */
export const user = defineKind({
  name: 'user',
  schema,
  id: ({ name }) => name,

  observe: (specs: readonly UserSpec[]) => ({
    script: specs.length === 0 ? '' : script(specs.some(({ password }) => password !== undefined)),
    parse: (stdout) => (specs.length === 0 ? new Map() : readAccounts(stdout.toString(), specs)),
  }),

  plan: (spec, state) => {
    if (spec.state === 'absent') {
      return state === NO_ACCOUNT ? undefined : { action: 'delete', certainty: 'exact', reason: 'shall not be there', differences: [] }
    }
    if (state === NO_ACCOUNT) return { action: 'create', certainty: 'exact', reason: 'not there', differences: [] }
    const differences = differencesOf(spec, state)
    return differences.length === 0 ? undefined : { action: 'update', certainty: 'exact', reason: inWords(differences), differences }
  },

  orphan: { keep: 'files of the account would have no owner; declare it with state: absent to remove it' },
  apply: (work: readonly Work<UserSpec, UserState>[]) =>
    inTurn(work, scriptOf, {
      doing: 'setting up users',
      failed: (id) => `user ${id} could not be set up`,
      fix: 'an account that is logged in cannot change its number or home, nor be removed: end its processes first',
    }),
})

// Two processes, however many users. The shadow file is read by builtins, and only what a password field begins with is told.
const script = (withPasswords: boolean): string =>
  `${getentScript('passwd')}${getentScript('group')}${
    withPasswords
      ? `while IFS=: read -r n p x; do
case $p in '') p=empty;; [!!*]*) p=set;; *) p=locked;; esac; printf 'password %s %s\\n' "$n" "$p"
done </etc/shadow
`
      : ''
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

// A package of this run may have brought the account since it was looked at: the script looks again and then only mends it.
const scriptOf = ({ spec }: Work<UserSpec, UserState>): string => {
  const { name, groups, system, home } = spec
  if (spec.state === 'absent') return `if getent passwd ${name} >/dev/null; then userdel ${name}; fi`
  const settings = settingsOf(spec)
  const change = [...settings, ...(groups.length === 0 ? [] : ['-a', '-G', groups.join(',')])]
  const make = [
    ...settingsOf({ ...spec, shell: spec.shell ?? (system ? '/usr/sbin/nologin' : '/bin/bash') }),
    ...(groups.length === 0 ? [] : ['-G', groups.join(',')]),
    ...(system ? ['-r', '-M'] : ['-m']),
    // `*` is no password, and unlike `!` sshd without PAM does not take it for a closed account.
    ...(spec.password === undefined ? ['-p', '*'] : []),
  ]
  // useradd wants to make a group of the same name and gives up where there is one.
  const own = spec.group === undefined ? `own=-U; if getent group ${name} >/dev/null; then own='-g ${name}'; fi; ` : 'own=; '
  return `if getent passwd ${name} >/dev/null; then ${change.length === 0 ? ':' : commandLine('usermod', ...change, name)}
else ${home === undefined || system ? '' : `${guardScript([parentOf(home)])}; `}${own}useradd $own ${make.map(quote).join(' ')} ${name}; fi`
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
