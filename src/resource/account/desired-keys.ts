import type { KeysFile, KeysState } from './authorized-keys-observe.ts'
import type { AuthorizedKeysSpec } from './authorized-keys-spec.ts'
import { identityOf, keyData, type PublicKey, readKey } from './public-key.ts'

/** The file that new keys are written to: ~/.ssh/authorized_keys if sshd reads it, or else the first one. */
export const targetOf = ({ files }: Pick<KeysState, 'files'>): KeysFile | undefined =>
  files.find(({ pattern }) => pattern.replace(/^%h\//, '') === '.ssh/authorized_keys') ?? files[0]

type Declared = Pick<AuthorizedKeysSpec, 'keys' | 'exclusive'>

/**
 * Returns the desired content of a file of keys. Lines of others are kept, unless the file is exclusive. A key that is not declared any more
 * is recognised by its data: somebody may have edited its comment or options.
 */
export const desiredText = (spec: Declared, state: Pick<KeysState, 'files' | 'ours'>, file: KeysFile): string => {
  const wanted = new Map(spec.keys.map((key) => [identityOf(key), lineOf(key)]))
  const named = [...state.ours.map(readKey), ...spec.keys].filter((key) => key !== undefined).map(keyData)
  const revoked = new Set(named)
  const lines = linesIn(file.text)
  const found = new Set<string>()
  const kept = lines.filter((line) => {
    const key = readKey(line)
    if (key === undefined) return !spec.exclusive
    found.add(identityOf(key))
    return wanted.has(identityOf(key)) || !(spec.exclusive || revoked.has(keyData(key)))
  })
  const added = file === targetOf(state) ? [...wanted].flatMap(([identity, line]) => (found.has(identity) ? [] : [line])) : []
  return kept.length === lines.length && added.length === 0 ? file.text : asLines([...kept, ...added])
}

/** The content of a file in which only these keys are. */
export const onlyThese = (keys: readonly PublicKey[]): string =>
  asLines([...new Map(keys.map((key) => [identityOf(key), lineOf(key)])).values()])

/** The keys in the text of a file. */
export const keysIn = (text: string): readonly PublicKey[] =>
  linesIn(text)
    .map(readKey)
    .filter((key) => key !== undefined)

const lineOf = (key: PublicKey): string => [identityOf(key), key.comment].filter((part) => part !== '').join(' ')

const linesIn = (text: string): readonly string[] => (text === '' ? [] : text.replace(/\n$/, '').split('\n'))

const asLines = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('')
