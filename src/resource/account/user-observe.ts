import { sh } from '../../shell/sh.ts'
import { ABSENT } from '../kind/inode.ts'
import type { KindQuery } from '../kind/kind.ts'
import { inodeAt } from '../kind/queries.ts'
import { findKeysScript, KEYS_END, readKeys } from './as-user/find-keys.ts'
import { type AccountQuestion, type AccountRecords, accountsScript, readAccountRecords } from './observe-accounts.ts'
import { type Account, homeOf, NO_ACCOUNT, shellOf, type UserSpec, type UserState } from './user-spec.ts'

export const observeUsers = (specs: readonly UserSpec[]): KindQuery<UserState> => {
  const withPasswords = specs.some(({ password }) => password !== undefined)
  const present = specs.filter(({ state }) => state === 'present')
  const questions: readonly AccountQuestion[] = [
    ...specs.map(({ name, uid, home, state, endSessions }) => ({
      ...{ user: name, uid: state === 'absent' ? '' : `${uid ?? ''}` },
      ...{ home: state === 'absent' ? '' : (home ?? ''), isDeleted: state === 'absent', ends: endSessions },
    })),
    // Groups of a directory service are known only by name.
    ...[...new Set(present.flatMap(({ groups }) => groups))].map((group) => ({ group, isDeleted: false })),
    ...present.flatMap(({ uid }) => (uid === undefined ? [] : [{ uidOwner: uid }])),
    ...[...new Set(present.map((spec) => shellOf(spec, false) ?? ''))].map((shell) => ({ shell })),
    ...specs.flatMap(({ name, removeHome }) => (removeHome ? [{ homeless: name }] : [])),
    ...present.filter(({ system }) => !system).map((spec) => ({ home: homeOf(spec), of: spec.name })),
  ]
  const keyed = specs.flatMap(({ name, sshKey }) => (sshKey === undefined ? [] : [name]))
  return {
    ...(keyed.length > 0 && { shared: { inodes: [KEYGEN] } }),
    script: specs.length === 0 ? sh`` : sh`${findKeysScript(keyed)}${accountsScript(questions, withPasswords)}`,
    parse: (stdout, answers) => {
      if (specs.length === 0) return new Map()
      const end = keyed.length === 0 ? 0 : stdout.indexOf(KEYS_END) + KEYS_END.length
      const keys = readKeys(stdout.subarray(0, end), keyed)
      const records = readAccountRecords(stdout.subarray(end))
      return new Map(
        specs.map((spec): [string, UserState] => {
          const is = keys.get(spec.name)
          const sshKey = is && { is, hasProgram: inodeAt(answers, KEYGEN) !== ABSENT }
          return [spec.name, { ...stateOf(spec, records), ...(sshKey !== undefined && { sshKey }) }]
        }),
      )
    },
  }
}

const KEYGEN = '/usr/bin/ssh-keygen'

const stateOf = (spec: UserSpec, records: AccountRecords): UserState => {
  const { name, uid } = spec
  const all = (word: string): readonly (readonly string[])[] => records.get(word) ?? []
  const entry = all('user').find(([user]) => user === name)
  if (entry === undefined && !all('no-user').some(([user]) => user === name)) throw new Error(`the host did not report user ${name}`)
  const account = entry === undefined ? NO_ACCOUNT : accountOf(entry, all('member'))
  const shell = shellOf(spec, account !== NO_ACCOUNT)
  const home = all('home').find(([, of]) => of === name)
  const [, there, fault] = all('homeless').find(([user]) => user === name) ?? []
  const owner = all('uid').find(([number]) => number === `${uid}`)?.[1] ?? ''
  return {
    account,
    isRunAccount: all('login')[0]?.[0] === name,
    grants: all('grants').map(([group = '']) => group),
    busy: all('busy').find(([user]) => user === name)?.[1],
    uidOwner: owner === '' || owner === name ? undefined : owner,
    isShellMissing: all('shell').some(([path, there]) => path === shell && there === ''),
    oldHome: there === 'there' ? { fault: fault === '' ? undefined : fault } : undefined,
    newHome: { fault: home?.[2] === '' ? undefined : home?.[2], owner: /^\d+$/.test(home?.[3] ?? '') ? Number(home?.[3]) : undefined },
  }
}

const accountOf = (entry: readonly string[], members: readonly (readonly string[])[]): Account => {
  const [name, uid = '', group = '', comment = '', home = '', shell = '', isLocal, password, hasHome] = entry
  if (!/^\d+$/.test(uid)) throw new Error(`the host reported no number of user ${name}`)
  return {
    ...{ uid: Number(uid), group, home, shell, comment },
    groups: [...new Set(members.flatMap(([user, of]) => (user === name && of !== undefined ? [of] : [])))],
    ...(password === 'locked' || password === 'empty' || password === 'set' ? { password } : {}),
    ...{ isLocal: isLocal === 'local', hasHome: hasHome === 'home' },
  }
}
