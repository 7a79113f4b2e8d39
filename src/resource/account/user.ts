import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { defineKind, type Work } from '../kind/kind.ts'
import { inTurn } from '../kind/one-by-one.ts'
import type { Steps } from '../kind/step.ts'
import { CHANGED, walk } from '../kind/walk.ts'
import { refuseAppeared } from './appeared.ts'
import { makeKeys } from './as-user/make-keys.ts'
import { END_SESSIONS } from './end-sessions.ts'
import { GUARD_HOME, MAKE_HOME, REMOVE_HOME } from './home.ts'
import { observeUsers } from './user-observe.ts'
import { forbidsUser, lacksKey, lacksOnlyKey, missingGroups, needsHome, planUser } from './user-plan.ts'
import { type Account, homeOf, NO_ACCOUNT, schema, shellOf, type UserSpec, type UserState } from './user-spec.ts'

export type { Account, UserSpec, UserState } from './user-spec.ts'

/** A user account: number, groups, home, shell, and whether it accepts a password. */
export const user = defineKind({
  name: 'user',
  summary: 'user account',
  schema,
  id: ({ name }) => name,
  observe: observeUsers,
  plan: planUser,
  forbids: forbidsUser,
  accounts: ({ state, group, groups }) => (state === 'absent' ? {} : { groups: [...(group === undefined ? [] : [group]), ...groups] }),
  orphan: {
    keep: 'its files would lose their owner; declare it with state: absent to delete it, in the options of its role or as a resource',
  },
  *apply(work: readonly Work<UserSpec, UserState>[]): Steps {
    const changed = work.filter(({ spec, state }) => !lacksOnlyKey(spec, state))
    const keyed = work.filter(({ spec, state }) => spec.state === 'present' && lacksKey(state)).map(({ id }) => id)
    yield* inTurn(changed, scriptOf, {
      doing: 'changing users',
      failed: (id) => `user ${id} not ${work.find((one) => one.id === id)?.spec.state === 'absent' ? 'deleted' : 'changed'}`,
      fix: (code) => FIXES[code],
      before: refuseAppeared(
        'passwd',
        work
          .filter(({ spec, state }) => spec.state === 'present' && state.account === NO_ACCOUNT)
          .map(({ spec }) => ({ name: spec.name, asDeclared: isAsDeclared(spec) })),
      ),
    })
    const others = changed.map(({ id }) => id).filter((id) => !keyed.includes(id))
    yield* makeKeys(keyed, others)
  },
})

/** Exit statuses of useradd, usermod and userdel (their manual pages). */
const FIXES: Readonly<Record<number, string>> = {
  1: 'check that /etc is writable and that no other program holds the lock of the account databases (/etc/.pwd.lock)',
  4: 'declare another number, or none: another account has it',
  6: 'declare the group before this resource, or correct its name',
  8: 'end the processes of the account first (or set `endSessions: true` with `state: absent`)',
  10: 'check that /etc is writable',
  12: 'check that the directory above its home exists and is writable',
}

/** Condition of the shell that an account that appeared has these settings already. */
const isAsDeclared = ({ name, uid, group, home, shell, comment, password, groups }: UserSpec): Script => {
  const has = (wanted: string | undefined, now: Script): readonly Script[] =>
    wanted === undefined ? [] : [sh`[ "$(${now})" = ${wanted} ] &&`]
  const field = (n: number): Script => sh`getent passwd ${name} | cut -d: -f ${n}`
  return sh`${[
    ...has(uid?.toString(), field(3)),
    ...has(comment, field(5)),
    ...has(home, field(6)),
    ...has(shell, field(7)),
    ...has(group, sh`id -gn ${name}`),
    ...has(password && '*', sh`getent shadow ${name} | cut -d: -f 2`),
    ...groups.map((one) => sh`id -nG ${name} | tr ' ' '\\n' | grep -qxF -e ${one} &&`),
  ]}
true`
}

// A package of this run may have created the account since the observation, so the script checks again and then only updates it.
const scriptOf = ({ spec, state }: Work<UserSpec, UserState>): Script =>
  spec.state === 'absent'
    ? deletionOf(spec, state)
    : sh`if getent passwd ${spec.name} >/dev/null; then
${state.account === NO_ACCOUNT ? sh`` : asObserved(spec, state.account)}${changeOf(spec, state)}
else
${creationOf(spec, state)}
fi`

/** Ends with `CHANGED` if the account is not as it was observed. Its primary group can have another number now, by an earlier change. */
const asObserved = ({ name, group }: UserSpec, account: Account): Script => {
  const entry = [name, account.uid, account.comment, account.home, account.shell].join(':')
  const sameGroup = group === undefined ? sh`` : sh` && [ "$(id -gn ${name})" = ${account.group} ]`
  return sh`{ [ "$(getent passwd ${name} | cut -d: -f 1,3,5-)" = ${entry} ]${sameGroup}; } || { echo ${`user ${name} is not as it was observed`} >&2; exit ${CHANGED}; }\n`
}

const deletionOf = ({ name, endSessions, removeHome }: UserSpec, { account }: UserState): Script => {
  if (account === NO_ACCOUNT) return sh`:`
  const same = sh`[ "$(getent passwd ${name} | cut -d: -f 3)" = ${account.uid} ] || { echo ${`user ${name} is not as it was observed`} >&2; exit ${CHANGED}; }`
  const end = endSessions ? sh`usermod -L -e 1 ${name}\n${walk(END_SESSIONS, name)}\n` : sh``
  const home = removeHome ? sh`${walk(REMOVE_HOME, name)} || exit\n` : sh``
  // An account of this name that is created later inherits neither jobs nor services that run without a login.
  return sh`if getent passwd ${name} >/dev/null; then
${same}
${end}${home}userdel ${name}
rm -f ${[`/var/spool/cron/crontabs/${name}`, `/var/lib/systemd/linger/${name}`]}
fi`
}

const changeOf = (spec: UserSpec, { account, isRunAccount }: UserState): Script => {
  const { name, groups } = spec
  const settings = settingsOf(spec)
  if (account !== NO_ACCOUNT && !account.isLocal)
    return sh`${missingGroups(spec, account).map((group) => sh`gpasswd -a ${name} ${group} >/dev/null\n`)}:`
  const change = [...settings, ...(groups.length === 0 ? [] : ['-a', '-G', groups.join(',')])]
  const home = account !== NO_ACCOUNT && needsHome(spec, account) ? sh`\n${walk(MAKE_HOME, name)}` : sh``
  // The plan may have relied on a package for the shell, without which no login with this account is possible.
  const shell =
    isRunAccount && spec.shell !== undefined
      ? sh`[ -x ${spec.shell} ] || { echo ${`${spec.shell} does not exist, and the run uses ${name}`} >&2; exit 1; }\n`
      : sh``
  return sh`${shell}${change.length === 0 ? sh`:` : sh`usermod ${[...change, name]}`}${home}`
}

const creationOf = (spec: UserSpec, { newHome }: UserState): Script => {
  const { name, groups, system, uid, group, password } = spec
  const owner = uid === undefined && !system ? newHome.owner : undefined
  const make = [
    ...settingsOf({ ...spec, uid: uid ?? owner, shell: shellOf(spec, false) }),
    ...(groups.length === 0 ? [] : ['-G', groups.join(',')]),
    ...(system ? ['-r', '-M'] : ['-m']),
    // `*` matches no password; unlike `!`, sshd without PAM does not treat the account as locked.
    ...(password === undefined ? ['-p', '*'] : []),
  ]
  // useradd creates a group of the same name and fails if it exists.
  const own = group === undefined ? sh`own=-U; if getent group ${name} >/dev/null; then own=${`-g ${name}`}; fi; ` : sh`own=; `
  return sh`${system ? sh`` : sh`${walk(GUARD_HOME, homeOf(spec))} || exit\n`}${own}useradd $own ${make} ${name}`
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
