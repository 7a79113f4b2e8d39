import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import type { LocalFile } from '../kind/content.ts'
import { ABSENT, type InodeState } from '../kind/inode.ts'
import type { KindQuery } from '../kind/kind.ts'
import { parentOf } from '../kind/path.ts'
import { type Answers, inodeAt, type Member } from '../kind/queries.ts'
import { guardScript } from '../kind/walk.ts'
import type { ReleaseSpec } from './spec.ts'

/** The live release of a root, and the history of earlier ones. */
export interface ReleaseState {
  readonly current: InodeState
  /** Content of the live release, by path; empty if none is live. */
  readonly tree: ReadonlyMap<string, Member>
  /** Digests in the live release, of the desired paths. */
  readonly digests: ReadonlyMap<string, string>
  /** Digests of the releases in order of deployment, the newest last. */
  readonly history: readonly string[]
  /** Whether an upload was interrupted. */
  readonly staged: boolean
  /** The release to roll back to: as it was deployed, changed, or not kept. Undefined if no rollback is declared, or it could not be read. */
  readonly previous?: PreviousState
}

export type PreviousState = 'whole' | 'changed' | 'missing'

/** Differences between desired and live files, by path. */
export interface ReleaseDelta {
  readonly added: readonly string[]
  readonly changed: readonly string[]
  readonly removed: readonly string[]
  /** Files with the right content and another time than `modifiedOf`. */
  readonly misdated: readonly string[]
  /** Unchanged files, which are not uploaded. */
  readonly same: readonly string[]
}

/**
 * Queries the live release by the paths of the desired one. The answer verifies every file of a converged host, and shows which files need
 * no upload to others.
 */
export const observeReleases = (specs: readonly ReleaseSpec[]): KindQuery<ReleaseState> => {
  const latest = specs.filter(({ which }) => which === 'latest')
  const previous = specs.filter(({ which }) => which === 'previous')
  return {
    shared: {
      inodes: specs.flatMap(({ root }) => [`${root}/current`, `${root}/releases/.new`]),
      guarded: specs.map(({ root }) => `${root}/current`),
      trees: latest.map(({ root }) => `${root}/current`),
      digests: latest.flatMap(({ root, files }) => files.map(({ path }) => `${root}/current/${path}`)),
      texts: specs.map(({ root }) => `${root}/history`),
    },
    script: sh`${previous.map(({ root }) => previousScript(root))}`,
    parse: (stdout, answers) => {
      const words = stdout.toString().split('\n').slice(0, -1)
      if (words.length !== previous.length) throw new Error(`${words.length} of ${previous.length} releases to roll back to`)
      const found = new Map(previous.map(({ root }, i) => [root, previousIn(words[i])]))
      return new Map(specs.map((spec) => [spec.root, { ...stateOf(spec, answers), ...found.get(spec.root) }]))
    },
  }
}

const stateOf = ({ root, files }: ReleaseSpec, answers: Answers): ReleaseState => ({
  current: inodeAt(answers, `${root}/current`),
  tree: answers.trees.get(`${root}/current`) ?? new Map(),
  digests: new Map(
    files.flatMap(({ path }) => {
      const sha256 = answers.digests.get(`${root}/current/${path}`)
      return sha256 === undefined ? [] : [[path, sha256] as const]
    }),
  ),
  history: (answers.texts.get(`${root}/history`) ?? []).filter((line) => isDigest(line)),
  staged: inodeAt(answers, `${root}/releases/.new`) !== ABSENT,
})

const previousIn = (word = ''): { readonly previous?: PreviousState } =>
  word === 'whole' || word === 'changed' || word === 'missing' ? { previous: word } : {}

/** Shell function `is_whole NAME`: whether the release in the working directory is as it was deployed. */
export const IS_WHOLE: Script = sh`is_whole() (
  cd "releases/$1" && [ "$(sha256sum <"../$1.sums")" = "$1  -" ] || exit
  [ ! -s "../$1.sums" ] || sha256sum -c --quiet --strict "../$1.sums" >&2
)`

/** Prints the state of the release before the newest one as one line. It is empty where another account could replace the release. */
const previousScript = (root: string): Script => sh`found=$(
exec 2>/dev/null
${guardScript([`${root}/releases`])}
cd ${root}
${IS_WHOLE}
name=$(grep -xE '[0-9a-f]{64}' history | tail -n 2 | head -n 1)
if [ ! -d "releases/$name" ]; then echo missing; elif is_whole "$name"; then echo whole; else echo changed; fi
) || found=
printf '%s\n' "$found"
`

/** Digest of the live release; undefined if no release of provision is live. */
export const liveOf = ({ current }: ReleaseState): string | undefined => {
  const name = current !== ABSENT && current.type === 'l' ? current.target.replace(/^releases\//, '') : ''
  return isDigest(name) ? name : undefined
}

const isDigest = (word: string): boolean => /^[0-9a-f]{64}$/.test(word)

/** The release that was live before the newest deployment. */
export const previousOf = ({ history }: ReleaseState): string | undefined => history.at(-2)

/** Compares desired and live files. Every other file in the release is removed, also one that somebody else created. */
export const deltaOf = ({ files }: ReleaseSpec, { tree, digests }: ReleaseState): ReleaseDelta => {
  const wanted = new Set(files.map(({ path }) => path))
  const folders = new Set(['', ...files.flatMap(({ path }) => foldersOf(path))])
  type File = ReleaseSpec['files'][number]
  const isWhole = ({ path, content }: File): boolean => isPlain(tree.get(path), 'f', '644') && digests.get(path) === content.sha256
  const isDated = ({ path, content }: File): boolean => tree.get(path)?.modified === modifiedOf(content) * 1e6
  const misshapen = [...folders].filter((path) => tree.has(path) && !isPlain(tree.get(path), 'd', '755'))
  const there = files.filter(({ path }) => tree.has(path))
  const foreign = [...tree.keys()].filter((path) => !wanted.has(path) && !folders.has(path))
  const emptied = new Set(foreign.flatMap(foldersOf))
  return {
    added: files.filter(({ path }) => !tree.has(path)).map(({ path }) => path),
    changed: [...there.filter((one) => !isWhole(one)).map(({ path }) => path), ...misshapen.map((path) => `${path}/`)],
    // A folder goes with its files.
    removed: foreign.filter((path) => !emptied.has(path)),
    misdated: there.filter((one) => isWhole(one) && !isDated(one)).map(({ path }) => path),
    same: there.filter((one) => isWhole(one) && isDated(one)).map(({ path }) => path),
  }
}

/**
 * The time of a file in a release, in seconds since 1970. It follows from the content, so that it is the same on every host and in every
 * checkout: web servers build the ETag of a response from time and size, and another content must have another ETag.
 */
export const modifiedOf = ({ sha256 }: Pick<LocalFile, 'sha256'>): number =>
  YEAR_2000 + (Number.parseInt(sha256.slice(0, 8), 16) % YEARS_20)

const YEAR_2000 = 946_684_800
const YEARS_20 = 630_720_000

const isPlain = (member: Member | undefined, type: string, mode: string): boolean =>
  member?.type === type && member.mode === mode && member.owner === '0:0'

/** `a` and `a/b` for `a/b/c.html`. */
const foldersOf = (path: string): readonly string[] => {
  const folder = parentOf(`/${path}`).slice(1)
  return folder === '' ? [] : [...foldersOf(folder), folder]
}
