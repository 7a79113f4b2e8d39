import { sh } from '../../shell/sh.ts'
import { describeDifferences } from '../kind/differences.ts'
import { ABSENT } from '../kind/inode.ts'
import { type Difference, defineKind } from '../kind/kind.ts'
import { applyKeys } from './authorized-keys-apply.ts'
import { desiredLines, type KeysState, keysScript, readKeysStates } from './authorized-keys-observe.ts'
import { type AuthorizedKeysSpec, schema } from './authorized-keys-spec.ts'
import { formatKey, identityOf, type PublicKey, readKey } from './public-key.ts'

/** SSH keys that may log in as a user, in the place and with the owner and modes that sshd requires. */
export const authorizedKeys = defineKind({
  name: 'authorized-keys',
  schema,
  id: ({ user }) => user,

  observe: (specs: readonly AuthorizedKeysSpec[]) => ({
    script: specs.length === 0 ? sh`` : keysScript(specs.map(({ user }) => user)),
    parse: (stdout) =>
      specs.length === 0
        ? new Map()
        : readKeysStates(
            stdout.toString(),
            specs.map(({ user }) => user),
          ),
  }),

  plan: (spec, state, context) => {
    if (state.home === undefined) {
      const certainty = context.changes(`user:${spec.user}`) ? 'exact' : 'dependent'
      return spec.keys.length === 0 ? undefined : { action: 'create', certainty, reason: 'missing', differences: [] }
    }
    if (state.otherKeysFile !== undefined)
      return { action: 'update', certainty: 'exact', reason: `sshd reads keys from ${state.otherKeysFile}`, differences: [] }
    if (state.unread !== undefined) return { action: 'update', certainty: 'exact', reason: state.unread, differences: [{ key: 'keys' }] }
    const differences = [...keyDifferences(spec, state), ...(state.inodes.file === ABSENT ? [] : ownershipDifferences(spec.user, state))]
    if (differences.length === 0) return undefined
    return state.inodes.file === ABSENT
      ? { action: 'create', certainty: 'exact', reason: 'missing', differences }
      : { action: 'update', certainty: 'exact', reason: describeDifferences(differences), differences }
  },

  orphan: { keep: 'deleting keys could lock somebody out; declare it with an empty list of keys to remove them' },
  apply: applyKeys,

  diff: ({ spec, state }) => ({ before: formatKeys(state.lines), after: formatKeys(desiredLines(spec, state)) }),
})

const keyDifferences = (spec: AuthorizedKeysSpec, state: KeysState): readonly Difference[] => {
  const after = desiredLines(spec, state)
  const record = new Set(spec.keys.map(identityOf))
  if (after.length === state.lines.length && after.every((line, i) => line === state.lines[i])) {
    // The file is right, the record of our keys is not: a key removed from the list later would stay in the file.
    return record.size === state.ours.length && state.ours.every((one) => record.has(one)) ? [] : [{ key: 'record' }]
  }
  return [{ key: 'keys', from: `${keysIn(state.lines).length}`, to: `${keysIn(after).length}` }]
}

// StrictModes of sshd: the file, its directory and the home must belong to the user (or root) and be writable by no other account.
const ownershipDifferences = (user: string, { inodes }: KeysState): readonly Difference[] =>
  (['home', 'ssh', 'file'] as const).flatMap((key): readonly Difference[] => {
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

const keysIn = (lines: readonly string[]): readonly PublicKey[] => lines.map(readKey).filter((key) => key !== undefined)

// Only keys are shown: the user may have linked the file to one with private content.
const formatKeys = (lines: readonly string[]): string =>
  keysIn(lines)
    .map((key) => `${formatKey(key)}\n`)
    .join('')
