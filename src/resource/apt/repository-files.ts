import { file } from '../file/file.ts'
import type { FileSpec, FileState } from '../file/spec.ts'
import { type Content, text } from '../kind/content.ts'
import { ABSENT } from '../kind/inode.ts'
import { type Keyring, readKeyring } from './openpgp.ts'
import { mismatch, type RepositorySpec } from './repository-spec.ts'

/** The file of a repository, and the key beside it where that comes from a URL. */
export interface RepositoryState {
  readonly source: FileState
  readonly key: FileState
  /** The fetched key of the host, if it is the declared one. */
  readonly armored?: string
}

export const KEYS = '/etc/apt/keyrings'
type Named = Pick<RepositorySpec, 'name'>
export const sourcePath = ({ name }: Named): string => `/etc/apt/sources.list.d/${name}.sources`
/** The file of a fetched key. Its name shows that it is ours. */
export const keyPath = ({ name }: Named): string => `${KEYS}/provision.${name}.asc`

/** The text of the source. A key that is known is a part of it, so at no moment there is one without the other. */
export const sourceText = (spec: RepositorySpec): string =>
  spec.head + (spec.armored === undefined ? `Signed-By: ${keyPath(spec)}\n` : embedded(spec.armored))

/** A key as a value of deb822 (sources.list(5)): an empty line is a dot. */
export const embedded = (armored: string): string =>
  `Signed-By:\n${armored
    .trimEnd()
    .split('\n')
    .map((line) => ` ${line === '' ? '.' : line}\n`)
    .join('')}`

interface FileWork {
  readonly id: string
  readonly spec: FileSpec
  readonly state: FileState
}

const NOTHING: RepositoryState = { source: ABSENT, key: ABSENT }

export const sourceWork = (spec: RepositorySpec, { source }: RepositoryState = NOTHING): FileWork => ({
  id: sourcePath(spec),
  spec: file({ path: sourcePath(spec), content: spec.state === 'absent' ? '' : sourceText(spec), state: spec.state }).spec,
  state: source,
})

/** The file with a fetched key. It is absent where the key is a part of the source. */
export const keyWork = (spec: RepositorySpec, { key, armored }: RepositoryState = NOTHING): FileWork => {
  const content: Content | string = armored ?? text`${{ later: 'the key', get: () => undefined }}`
  const isFetched = spec.state === 'present' && spec.url !== undefined
  return { id: keyPath(spec), spec: file({ path: keyPath(spec), ...(isFetched ? { content } : { state: 'absent' }) }).spec, state: key }
}

/** Returns the keys of a file if they are those with these fingerprints, or why they are not trusted. */
export const trusted = (bytes: Uint8Array, fingerprints: readonly string[]): Keyring | string => {
  try {
    const found = readKeyring(bytes)
    return mismatch(found, fingerprints) ?? found
  } catch (error) {
    return `cannot be used: ${error instanceof Error ? error.message : String(error)}`
  }
}
