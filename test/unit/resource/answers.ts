import { ABSENT, type InodeState } from '../../../src/resource/kind/inode.ts'
import { pathQueries } from '../../../src/resource/kind/path-queries.ts'
import { type Answers, mergeQueries } from '../../../src/resource/kind/queries.ts'

/** A host that was asked nothing together with other kinds. */
export const NOTHING: Answers = {
  inodes: new Map(),
  changed: new Map(),
  trees: new Map(),
  digests: new Map(),
  texts: new Map(),
  units: new Map(),
}

const plain = { type: 'f', mode: '644', owner: 'root', group: 'root', target: '' }

/** Inodes of paths that were recorded by their times alone: regular files of root. */
export const inodesOf = (present: Iterable<string>, absent: Iterable<string>): ReadonlyMap<string, InodeState> =>
  new Map<string, InodeState>([
    ...[...absent].map((path) => [path, ABSENT] as const),
    ...[...present].map((path) => [path, plain] as const),
  ])

/** Lines by file, of `path SEPARATOR line`. */
export const linesBy = (separator: string, lines: readonly string[]): ReadonlyMap<string, readonly string[]> => {
  const texts = new Map<string, string[]>()
  for (const line of lines.filter((one) => one !== '')) {
    const end = line.indexOf(separator)
    texts.set(line.slice(0, end), [...(texts.get(line.slice(0, end)) ?? []), line.slice(end + 1)])
  }
  return texts
}

/** How the answer about inodes is read. */
export const readInodesSaid = (stdout: Buffer): Pick<Answers, 'inodes' | 'changed' | 'trees'> =>
  pathQueries(mergeQueries([])).inodes.read(stdout)
