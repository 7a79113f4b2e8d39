import { sh } from '../../shell/sh.ts'
import { counted, describeDifferences } from '../kind/differences.ts'
import { ABSENT } from '../kind/inode.ts'
import { type Difference, type DiffTexts, defineKind } from '../kind/kind.ts'
import { HostRefusal } from '../kind/step.ts'
import { applyKeys } from './authorized-keys-apply.ts'
import { type KeysFile, type KeysState, keysScript, readKeysStates } from './authorized-keys-observe.ts'
import { type AuthorizedKeysSpec, schema } from './authorized-keys-spec.ts'
import { desiredText, keysIn, onlyThese, targetOf } from './desired-keys.ts'
import { formatKey, identityOf, keyData } from './public-key.ts'

/** SSH keys that may log in as a user, in the place and with the owner and modes that sshd requires. */
export const authorizedKeys = defineKind({
  name: 'authorized-keys',
  summary: 'SSH keys that may log in as a user',
  schema,
  id: ({ user }) => user,

  observe: (specs: readonly AuthorizedKeysSpec[]) => ({
    script: specs.length === 0 ? sh`` : keysScript(specs.map(({ user }) => user)),
    parse: (stdout): ReadonlyMap<string, KeysState> =>
      specs.length === 0
        ? new Map()
        : readKeysStates(
            stdout,
            specs.map(({ user }) => user),
          ),
  }),

  plan: (spec: AuthorizedKeysSpec, state: KeysState, context) => {
    if (state.home === undefined) {
      const certainty = context.changes(`user:${spec.user}`) ? 'exact' : 'dependent'
      return spec.keys.length === 0 ? undefined : { action: 'create', certainty, reason: 'missing', differences: [] }
    }
    const unread = state.files.find(({ unread }) => unread !== undefined)?.unread
    if (unread !== undefined) return { action: 'update', certainty: 'exact', reason: unread, differences: [{ key: 'keys' }] }
    const target = targetOf(state)
    const isNew = (target === undefined || target.inode === ABSENT) && spec.keys.length > 0
    const differences = [...keyDifferences(spec, state), ...(isNew || spec.keys.length === 0 ? [] : ownershipDifferences(spec.user, state))]
    if (differences.length === 0) return undefined
    return isNew
      ? { action: 'create', certainty: 'exact', reason: 'missing', differences }
      : { action: 'update', certainty: 'exact', reason: describeDifferences(differences), differences }
  },

  forbids: (spec, state) => {
    if (state.home !== undefined && state.files.length === 0 && spec.keys.length > 0)
      return new HostRefusal(
        `keys of ${spec.user} would have no effect`,
        'sshd on this host reads no file of keys for this account (AuthorizedKeysFile none)',
        'change AuthorizedKeysFile in the configuration of sshd, or remove the keys from the role',
      )
    const removed = state.isRunAccount ? removedOf(spec, state) : undefined
    if (removed === undefined) return undefined
    return new HostRefusal(
      removed === 'all'
        ? `the run would remove every key of ${spec.user}, the account that it uses`
        : `the run would remove the key of ${spec.user} with which it logged in`,
      'the next run could not log in',
      'keep the key of the run until `user` or `key` in the inventory names another one',
    )
  },

  accounts: ({ user, keys }) => (keys.length === 0 ? {} : { users: [user] }),
  orphan: {
    keep: 'deleting keys could lock somebody out; to remove them, declare the account with state: absent in the options of its role, or the keys as a resource with an empty list',
  },
  apply: applyKeys,

  diff: ({ spec, state }) => {
    const target = targetOf(state)
    const isNew = state.home === undefined
    const texts = state.files.flatMap((file): readonly DiffTexts[] => {
      const desired = isNew ? (file === target ? onlyThese(spec.keys) : '') : desiredText(spec, state, file)
      const [before, after] = [formatKeys(file.text), formatKeys(desired)]
      return before === after ? [] : [{ ...(file === target ? {} : { name: `${spec.user} ${file.path}` }), before, after }]
    })
    const [first, ...more] = texts
    return first && { ...first, ...(more.length === 0 ? {} : { more }) }
  },
})

/** Whether the account has keys and keeps none of them, or loses the one of the login. */
const removedOf = (spec: AuthorizedKeysSpec, state: KeysState): 'all' | 'login' | undefined => {
  const dataIn = (texts: readonly string[]): readonly string[] => texts.flatMap(keysIn).map(keyData)
  const before = dataIn(state.files.map(({ text }) => text))
  const after = new Set(dataIn(state.files.map((file) => desiredText(spec, state, file))))
  if (before.length > 0 && !before.some((data) => after.has(data))) return 'all'
  const used = (state.loginKeys ?? []).filter((data) => before.includes(data))
  return used.length > 0 && !used.some((data) => after.has(data)) ? 'login' : undefined
}

const keyDifferences = (spec: AuthorizedKeysSpec, state: KeysState): readonly Difference[] => {
  const target = targetOf(state)
  const changed = state.files.flatMap((file): readonly Difference[] => {
    const after = desiredText(spec, state, file)
    if (after === file.text) return []
    return [
      { key: file === target ? 'keys' : `keys in ${file.pattern}`, from: `${keysIn(file.text).length}`, to: `${keysIn(after).length}` },
    ]
  })
  if (changed.length > 0) return changed
  // The files are right, the record of our keys is not: a key removed from the list later would stay in the file.
  const record = new Set(spec.keys.map(identityOf))
  return record.size === state.ours.length && state.ours.every((one) => record.has(one))
    ? []
    : [{ key: 'record', from: counted(state.ours.length, 'key'), to: 'the declared keys' }]
}

// StrictModes of sshd: the file, its directory and the home must belong to the user (or root) and be writable by no other account.
const ownershipDifferences = (user: string, state: KeysState): readonly Difference[] => {
  const target = targetOf(state)
  if (target === undefined || target.inode === ABSENT || !isBelowSsh(target, state)) return []
  const inodes = { ...state.inodes, file: target.inode }
  return (['home', 'ssh', 'file'] as const).flatMap((key): readonly Difference[] => {
    const inode = inodes[key]
    const name = { home: 'home', ssh: '.ssh', file: 'file' }[key]
    if (inode === ABSENT) return []
    if (inode.type !== (key === 'file' ? 'f' : 'd')) return key === 'file' ? [{ key: 'type', from: inode.type, to: 'f' }] : []
    return [
      ...(inode.owner === user || (key === 'home' && inode.owner === 'root')
        ? []
        : [{ key: `owner of ${name}`, from: inode.owner, to: user }]),
      ...((Number.parseInt(inode.mode, 8) & 0o022) === 0
        ? []
        : [{ key: `mode of ${name}`, from: inode.mode, to: 'not writable by others' }]),
    ]
  })
}

const isBelowSsh = ({ path }: KeysFile, { home }: KeysState): boolean => path.startsWith(`${home}/.ssh/`)

// Only keys are shown: the user may have linked the file to one with private content.
const formatKeys = (text: string): string =>
  keysIn(text)
    .map((key) => `${formatKey(key)}\n`)
    .join('')
