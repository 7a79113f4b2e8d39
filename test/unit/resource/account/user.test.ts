import { describe, expect, it } from 'vitest'
import { type GroupState, group } from '../../../../src/resource/account/group.ts'
import { type Account, type UserState, user } from '../../../../src/resource/account/user.ts'
import type { PlanContext } from '../../../../src/resource/kind/kind.ts'
import { NOTHING } from '../answers.ts'
import { faultsOf } from '../faults.ts'
import { context } from '../recorded.ts'

const ANN: Account = {
  ...{ uid: 1001, group: 'ann', groups: ['adm', 'staff2'], home: '/home/ann', shell: '/bin/bash', comment: '' },
  ...{ password: 'locked', isLocal: true, hasHome: true },
}
const state = (account: Partial<Account> | 'absent' = {}, more: Partial<UserState> = {}): UserState => ({
  account: account === 'absent' ? account : { ...ANN, ...account },
  ...{ isRunAccount: false, grants: [], busy: undefined, uidOwner: undefined, isShellMissing: false },
  newHome: { fault: undefined, owner: undefined },
  ...more,
})
type Options = Parameters<typeof user>[0]

describe('planning a user', () => {
  it.each<[string, Options, UserState, string | undefined]>([
    ['as declared', { name: 'ann', uid: 1001, groups: ['adm'], shell: '/bin/bash', password: 'locked' }, state(), undefined],
    ['without optional settings', { name: 'ann' }, state({ shell: '/bin/zsh', password: 'set' }), undefined],
    ['primary group wanted as one besides', { name: 'ann', groups: ['ann'] }, state(), undefined],
    ['not there', { name: 'ann' }, state('absent'), 'create exact missing'],
    ['missing in a group', { name: 'ann', groups: ['adm', 'www'] }, state(), 'update exact groups differ'],
    ['other shell and number', { name: 'ann', uid: 7, shell: '/bin/sh' }, state(), 'update exact uid and shell differ'],
    ['a password that opens it', { name: 'ann', password: 'locked' }, state({ password: 'empty' }), 'update exact password differs'],
    [
      'a shell that is missing',
      { name: 'ann', shell: '/bin/x' },
      state({}, { isShellMissing: true }),
      'update exact shell differs; shell /bin/x does not exist',
    ],
    [
      'a missing shell that it has',
      { name: 'ann', shell: '/bin/bash', uid: 7 },
      state({}, { isShellMissing: true }),
      'update exact uid differs',
    ],
    [
      'a new one whose shell is missing',
      { name: 'ann' },
      state('absent', { isShellMissing: true }),
      'create exact missing; shell /bin/bash does not exist',
    ],
    ['a home that is missing', { name: 'ann' }, state({ hasHome: false }), 'update exact home directory differs'],
    ['a missing home of a system user', { name: 'ann', system: true }, state({ hasHome: false }), undefined],
    ['a missing home of an account of a package', { name: 'ann' }, state({ hasHome: false, uid: 33 }), undefined],
    ['a missing home of nobody', { name: 'ann' }, state({ hasHome: false, uid: 65_534 }), undefined],
    ['a missing home in a directory service', { name: 'ann' }, state({ hasHome: false, isLocal: false }), undefined],
    ['a home that moves', { name: 'ann', home: '/srv/ann' }, state(), 'update exact home and home directory differ'],
    [
      'a number of an account that runs something',
      { name: 'ann', uid: 7 },
      state({}, { busy: 'sleep (12)' }),
      'update dependent uid differs; its processes must end first: sleep (12)',
    ],
    ['absent as wanted', { name: 'ann', state: 'absent' }, state('absent'), undefined],
    ['to be removed', { name: 'ann', state: 'absent' }, state(), 'delete exact declared absent'],
    [
      'to be removed while it runs something',
      { name: 'ann', state: 'absent' },
      state({}, { busy: 'bash (7)' }),
      'delete dependent declared absent; its processes must end first: bash (7)',
    ],
    [
      'to be removed with what it runs',
      { name: 'ann', state: 'absent', endSessions: true },
      state({}, { busy: 'bash (7)' }),
      'delete exact declared absent; ends its processes: bash (7)',
    ],
  ])('%s', (_, options, seen, expected) => {
    const change = user.kind.plan(user(options).spec, seen, context)
    expect(change && `${change.action} ${change.certainty} ${change.reason}`).toBe(expected)
  })

  it('keeps the number of a home that an earlier account has left', () => {
    const left = state('absent', { newHome: { fault: undefined, owner: 1007 } })
    const differences = (options: Options) => user.kind.plan(user(options).spec, left, context)?.differences
    expect(differences({ name: 'ann' })).toEqual([{ key: 'uid', to: '1007, the owner of /home/ann' }])
    expect(differences({ name: 'ann', uid: 5000 })).toEqual([])
    expect(differences({ name: 'ann', system: true })).toEqual([])
  })

  it('depends on a package that can bring its shell', () => {
    const spec = user({ name: 'ann', shell: '/usr/bin/fish' }).spec
    const certainty = (packagesPending: boolean) =>
      user.kind.plan(spec, state('absent', { isShellMissing: true }), { ...context, packagesPending })?.certainty
    expect([certainty(true), certainty(false)]).toEqual(['dependent', 'exact'])
  })

  it('needs its groups', () => {
    const needed = (options: Options) => user.kind.accounts?.(user(options).spec)
    expect(needed({ name: 'ann', group: 'team', groups: ['adm'] })).toEqual({ groups: ['team', 'adm'] })
    expect(needed({ name: 'ann', groups: ['adm'], state: 'absent' })).toEqual({})
  })
})

describe('a user is forbidden', () => {
  const run = { isRunAccount: true, grants: ['sudo', 'ann'] }
  it.each<[string, Options, UserState, string | undefined]>([
    ['to go, as the account of the run', { name: 'ann', state: 'absent' }, state({}, run), 'ann would be deleted'],
    [
      'to get a missing shell',
      { name: 'ann', shell: '/bin/x' },
      state({}, { ...run, isShellMissing: true }),
      'ann would get the shell /bin/x',
    ],
    ['to get nologin', { name: 'ann', shell: '/usr/sbin/nologin' }, state({}, run), 'ann would get the shell /usr/sbin/nologin'],
    ['to get false', { name: 'ann', shell: '/bin/false' }, state({}, run), 'ann would get the shell /bin/false'],
    ['to get another number', { name: 'ann', uid: 7 }, state({}, run), 'the number of ann would change'],
    ['to get another home', { name: 'ann', home: '/x' }, state({}, run), 'the home of ann would move'],
    ['to leave the group by which sudo admits it', { name: 'ann', group: 'team' }, state({}, run), 'ann would leave the group ann'],
    ['to have the number of another', { name: 'ann', uid: 7 }, state('absent', { uidOwner: 'bob' }), 'ann cannot have the number 7'],
    [
      'to have a home that others can replace',
      { name: 'ann', home: '/srv/x/ann' },
      state('absent', { newHome: { fault: '/srv/x can be replaced', owner: undefined } }),
      '/srv/x/ann cannot become the home of ann',
    ],
    [
      'to change in a directory service',
      { name: 'ann', shell: '/bin/sh' },
      state({ isLocal: false }),
      'ann is not an account of this host',
    ],
    ['to go from a directory service', { name: 'ann', state: 'absent' }, state({ isLocal: false }), 'ann is not an account of this host'],
  ])('%s', (_, options, seen, expected) => {
    expect(user.kind.forbids?.(user(options).spec, seen, context)?.what).toBe(expected)
  })

  it.each<[string, Options, UserState]>([
    [
      'to stay as it is, as the account of the run',
      { name: 'ann', uid: 1001, home: '/home/ann', shell: '/bin/bash', group: 'ann' },
      state({}, run),
    ],
    ['to keep a shell that is missing', { name: 'ann', shell: '/bin/bash' }, state({}, { ...run, isShellMissing: true })],
    ['to leave a group that admits nobody', { name: 'ann', group: 'team' }, state({}, { ...run, grants: ['sudo'] })],
    ['to keep a group as a supplementary one', { name: 'ann', group: 'team' }, state({ groups: ['ann'] }, run)],
    ['to get a missing shell, as another account', { name: 'ann', shell: '/bin/x' }, state({}, { isShellMissing: true })],
    ['to join a group in a directory service', { name: 'ann', groups: ['www'] }, state({ isLocal: false })],
    ['as a system user without a home', { name: 'ann', system: true }, state('absent', { newHome: { fault: 'x', owner: undefined } })],
    ['with a home that it has', { name: 'ann', home: '/home/ann' }, state({}, { newHome: { fault: 'x', owner: undefined } })],
  ])('but not %s', (_, options, seen) => {
    expect(user.kind.forbids?.(user(options).spec, seen, context)).toBeUndefined()
  })

  it('but not if an earlier change makes it possible', () => {
    const forbids = (options: Options, seen: UserState, more: Partial<PlanContext>) =>
      user.kind.forbids?.(user(options).spec, seen, { ...context, ...more })?.what
    const changing = (...keys: readonly string[]) => ({ changes: (key: string) => keys.includes(key) })
    expect(forbids({ name: 'ann', uid: 7 }, state('absent', { uidOwner: 'bob' }), changing('user:bob'))).toBeUndefined()
    const fault = { newHome: { fault: '/srv/x can be replaced', owner: undefined } }
    expect(forbids({ name: 'ann', home: '/srv/x/ann' }, state('absent', fault), changing('directory:/srv/x'))).toBeUndefined()
    const shell = state({}, { ...run, isShellMissing: true })
    expect(forbids({ name: 'ann', shell: '/usr/bin/zsh' }, shell, { anyPackagesPending: true })).toBeUndefined()
    expect(forbids({ name: 'ann', shell: '/usr/sbin/nologin' }, shell, { anyPackagesPending: true })).toBe(
      'ann would get the shell /usr/sbin/nologin',
    )
  })
})

describe('a group', () => {
  const seen = (more: Partial<GroupState> = {}): GroupState => ({
    group: { gid: 50, isLocal: true },
    ...{ gidOwner: undefined, primaryOf: [], admits: undefined },
    ...more,
  })
  type GroupOptions = Parameters<typeof group>[0]
  it.each<[string, GroupOptions, GroupState, string | undefined]>([
    ['as declared', { name: 'team', gid: 50 }, seen(), undefined],
    ['with another number', { name: 'team', gid: 51 }, seen(), 'update gid differs'],
    ['missing', { name: 'team' }, seen({ group: 'absent' }), 'create missing'],
    ['half deleted', { name: 'team' }, seen({ group: 'half deleted' }), 'create missing'],
    ['to be deleted', { name: 'team', state: 'absent' }, seen(), 'delete declared absent'],
    ['deleted in part', { name: 'team', state: 'absent' }, seen({ group: 'half deleted' }), 'delete deletion interrupted'],
    ['gone', { name: 'team', state: 'absent' }, seen({ group: 'absent' }), undefined],
  ])('%s is planned', (_, options, state, expected) => {
    const change = group.kind.plan(group(options).spec, state, context)
    expect(change && `${change.action} ${change.reason}`).toBe(expected)
  })

  const gone: GroupOptions = { name: 'team', state: 'absent' }
  it.each<[string, GroupOptions, GroupState, readonly string[], string | undefined]>([
    ['the primary group of users', gone, seen({ primaryOf: ['ann', 'bob'] }), ['user:ann'], 'it is the primary group of bob'],
    ['the primary group of users that go', gone, seen({ primaryOf: ['ann', 'bob'] }), ['user:ann', 'user:bob'], undefined],
    ['the way in of the run', gone, seen({ admits: 'ops' }), [], 'sudo or sshd admits ops, the account that this run uses, by this group'],
    ['one with the number of another', { name: 'team', gid: 7 }, seen({ gidOwner: 'lp' }), [], 'group lp has it on this host'],
    ['one with the number of a group that goes', { name: 'team', gid: 7 }, seen({ gidOwner: 'lp' }), ['group:lp'], undefined],
    [
      'one of a directory service',
      gone,
      seen({ group: { gid: 5, isLocal: false } }),
      [],
      'a directory service has it, and provision changes local groups only',
    ],
    ['one of a directory service, as it is', { name: 'team', gid: 5 }, seen({ group: { gid: 5, isLocal: false } }), [], undefined],
  ])('%s', (_, options, state, changing, why) => {
    expect(group.kind.forbids?.(group(options).spec, state, { ...context, changes: (key) => changing.includes(key) })?.why).toBe(why)
  })
})

it.each([
  ['user', 1, 'check that /etc is writable and that no other program holds the lock of the account databases (/etc/.pwd.lock)'],
  ['user', 4, 'declare another number, or none: another account has it'],
  ['user', 6, 'declare the group before this resource, or correct its name'],
  ['user', 8, 'end the processes of the account first (or set `endSessions: true` with `state: absent`)'],
  ['user', 10, 'check that /etc is writable'],
  ['user', 12, 'check that the directory above its home exists and is writable'],
  ['user', 3, undefined],
  ['group', 4, 'declare another number, or none: another group has it'],
  ['group', 8, 'give its users another primary group first'],
  ['group', 10, 'check that /etc is writable and that no other program holds the lock of the account databases (/etc/.pwd.lock)'],
])('a refusal of a %s with exit status %d has a fitting fix', (kind, code, fix) => {
  const change = { action: 'create', certainty: 'exact', reason: '', differences: [] } as const
  const none = { group: 'absent', gidOwner: undefined, primaryOf: [], admits: undefined } as const
  const steps =
    kind === 'user'
      ? user.kind.apply([{ id: 'ann', spec: user({ name: 'ann' }).spec, state: state('absent'), change }])
      : group.kind.apply([{ id: 'ann', spec: group({ name: 'ann' }).spec, state: none, change }])
  steps.next()
  expect(() => steps.next({ code, stdout: Buffer.alloc(0), stderr: 'no' })).toThrow(
    expect.objectContaining({ what: `${kind} ann not changed (exit ${code})`, why: 'no', fix }),
  )
})

it('a truncated answer is not one without the account', () => {
  const answer = 'user\0ann\x001001\0ann\0\0/home/ann\0/bin/sh\0local\0\0home\0login\0root\0end\0'
  const read = (length: number) => user.kind.observe([user({ name: 'ann' }).spec]).parse(Buffer.from(answer.slice(0, length)), NOTHING)
  expect(read(answer.length).get('ann')?.account).toMatchObject({ uid: 1001, isLocal: true, hasHome: true })
  for (let length = 0; length < answer.length; length++) expect(() => read(length), `${length}`).toThrow()
  expect(() => user.kind.observe([user({ name: 'bob' }).spec]).parse(Buffer.from(answer), NOTHING)).toThrow('did not report user bob')
  expect(() => group.kind.observe([group({ name: 'ann' }).spec]).parse(Buffer.from(answer), NOTHING)).toThrow('did not report group ann')
  expect(() => user.kind.observe([user({ name: 'ann' }).spec]).parse(Buffer.from(`${answer}x`), NOTHING)).toThrow('did not list')
})

it.each([
  ['a name with a blank', { name: 'a b' }],
  ['a name that is an option', { name: '-r' }],
  ['a home with a colon', { name: 'ann', home: '/home/a:b' }],
  ['a comment of two lines', { name: 'ann', comment: 'a\nroot' }],
  ['a comment with a colon', { name: 'ann', comment: 'a:b' }],
  ['an unknown option', { name: 'ann', shel: '/bin/sh' }],
  ['sessions to end of an account that stays', { name: 'ann', endSessions: true }],
  ['a home to delete of an account that stays', { name: 'ann', removeHome: true }],
])('a user is refused: %s', (_, options) => {
  expect(() => user(options as Options)).toThrow()
})

it('the options of accounts are refused by their name', () => {
  expect(faultsOf(user, { name: 'ann', endSessions: true })).toEqual(['endSessions'])
  expect(faultsOf(user, { name: 'ann', state: 'absent', endSessions: true })).toEqual([])
  for (const [kind, most] of [
    [user, 'uid'],
    [group, 'gid'],
  ] as const) {
    expect(['present', 'absent', 'gone'].map((state) => faultsOf(kind, { name: 'ann', state }))).toEqual([[], [], ['state']])
    const numbers = [0, 4_294_967_293, -1, 4_294_967_294, 1.5]
    expect(numbers.map((number) => faultsOf(kind, { name: 'ann', [most]: number }))).toEqual([[], [], [most], [most], [most]])
  }
  expect(faultsOf(user, { name: 'ann', password: 'secret', home: '/a:b', shell: 'sh', comment: 'a:b' })).toEqual([
    ...['home', 'shell', 'comment', 'password'],
  ])
  expect([user({ name: 'ann' }).spec, group({ name: 'ann' }).spec]).toEqual([
    { name: 'ann', groups: [], system: false, state: 'present', endSessions: false, removeHome: false },
    { name: 'ann', system: false, state: 'present' },
  ])
})
