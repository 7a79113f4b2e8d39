import { sh } from '../../shell/sh.ts'
import { readTrees, TREE_FIELDS, type TreeState, treesScript } from '../fetched/manifest.ts'
import { ABSENT, type InodeState } from '../kind/inode.ts'
import type { KindQuery } from '../kind/kind.ts'
import { orphanPolicyOf } from '../kind/orphan-policy.ts'
import { absolutePath } from '../kind/path.ts'
import { inodeAt } from '../kind/queries.ts'
import { namesScript, readNames } from '../kind/walk-read.ts'
import { unitName } from '../service/unit-name.ts'
import { type OwnedResource, readRecord, recordPath } from './record.ts'

export interface OrphanSpec {
  /** The role whose record lists it. */
  readonly role: string
  readonly owned: OwnedResource
  /** Its other lines in the record: a resource of several files has one for each. */
  readonly others?: readonly OwnedResource[]
  /** Whether to delete it, or only to report it. */
  readonly prune: boolean
}

/** State of an orphan. Only resources with a path are observed. */
export interface OrphanState {
  /** Whether the record still lists it. */
  readonly recorded: boolean
  readonly inode: InodeState
  readonly sha256?: string
  /** Names in a directory, up to a limit. */
  readonly within: readonly string[]
  /** The package that owns it. */
  readonly package?: string
  /** A tree, compared with its manifest. */
  readonly tree?: TreeState
  /** The state of a part of a file, by its kind. */
  readonly part?: unknown
}

/** The path of an orphan. Undefined if it has none, or if the record contains an invalid one. */
export const placeOf = ({ path, key }: OwnedResource): string | undefined => {
  // The record of a tree names its manifest.
  const place = (isTree(key) ? undefined : path) ?? ('delete' in orphanPolicyOf(key) ? key.slice(key.indexOf(':') + 1) : undefined)
  return place !== undefined && absolutePath.safeParse(place).success ? place : undefined
}

const isTree = (key: string): boolean => {
  const policy = orphanPolicyOf(key)
  return 'delete' in policy && policy.delete === 'tree'
}

/** The unit that is stopped in place of a deletion: the record names it, and the policy of its kind asks for it. */
export const recordedUnit = ({ path, key }: OwnedResource): string | undefined => {
  const policy = orphanPolicyOf(key)
  return 'keep' in policy && policy.stopsRecorded === true && unitName.safeParse(path).success ? path : undefined
}

/** Lists of dpkg: a file per package, with a path per line. */
const DPKG_LISTS = '/var/lib/dpkg/info'

/**
 * Returns the paths under which a package may list a file. `/bin`, `/sbin` and `/lib*` are links into `/usr`, and a package may name
 * either: `coreutils` of Debian 12 has `/bin/cat`.
 */
const listedPaths = (path: string): readonly string[] => {
  const [, below] = /^(?:\/usr)?(\/(?:s?bin|lib[0-9a-z]*)\/.*)$/s.exec(path) ?? []
  return below === undefined ? [path] : [below, `/usr${below}`]
}

/**
 * Observes orphans: inode, digest and owning package. One `grep` of dpkg's lists for all, only if there are any: `dpkg-query -S` takes
 * paths as arguments, which have a limit, and as patterns. The script uses `$reader` of `path-queries`.
 */
export const observeOrphans = (name: string, specs: readonly OrphanSpec[]): KindQuery<OrphanState> => {
  const places = specs.flatMap(({ owned }) => placeOf(owned) ?? [])
  const trees = specs.flatMap(({ owned }) => (isTree(owned.key) ? (placeOf(owned) ?? []) : []))
  return {
    shared: { inodes: places, digests: places, texts: [...new Set(specs.map(({ role }) => recordPath(role)))] },
    script:
      places.length === 0
        ? sh``
        : sh`${treesScript(trees.map((path) => ({ path, onlyListed: false })))}printf '%s\\n' ${places.flatMap(listedPaths)} >"$T/places"
grep -rZxFf "$T/places" --include='*.list' -- ${DPKG_LISTS} || [ $? = 1 ]
printf 'within\\0'
${namesScript(places)}`,
    parse: (stdout, answers) => {
      const start = endOf(stdout, trees.length * TREE_FIELDS)
      const found = readTrees(stdout.subarray(0, start))
      const answer = stdout.subarray(start).toString()
      const end = answer.indexOf('within\0')
      if (places.length > 0 && end < 0) throw new Error('the host did not list the packages of its files')
      const packages = new Map(
        answer
          .slice(0, Math.max(end, 0))
          .split('\n')
          .map((line) => line.split('\0'))
          .map(([list = '', path = '']) => [path, packageOf(list)]),
      )
      const within = places.length === 0 ? undefined : readNames(answer.slice(end + 'within\0'.length))
      const records = new Map(
        [...new Set(specs.map(({ role }) => role))].map((role) => [role, keysIn(answers.texts.get(recordPath(role)) ?? [])]),
      )
      const isRecorded = (role: string, key: string): boolean => records.get(role)?.has(key) ?? false
      return new Map(
        specs.map(({ role, owned }): [string, OrphanState] => {
          const place = placeOf(owned)
          const id = owned.key.slice(name.length + 1)
          const recorded = isRecorded(role, owned.key)
          if (place === undefined) return [id, { recorded, inode: ABSENT, within: [] }]
          const sha256 = answers.digests.get(place)
          const tree = found.get(place)
          const owner = listedPaths(place).flatMap((path) => packages.get(path) ?? [])[0]
          return [
            id,
            {
              recorded,
              inode: inodeAt(answers, place),
              within: within?.get(place) ?? [],
              ...(sha256 !== undefined && { sha256 }),
              ...(owner !== undefined && { package: owner }),
              ...(tree !== undefined && { tree }),
            },
          ]
        }),
      )
    },
  }
}

/** The position behind a number of NUL-terminated fields. */
const endOf = (bytes: Buffer, fields: number): number => {
  let end = 0
  for (let i = 0; i < fields; i += 1) {
    const next = bytes.indexOf(0, end)
    if (next < 0) throw new Error('the host did not report all trees')
    end = next + 1
  }
  return end
}

export const keysIn = (lines: readonly string[]): ReadonlySet<string> => new Set(readRecord(lines).lines.map(({ key }) => key))

/** The package of `/var/lib/dpkg/info/nginx-common.list` or `/var/lib/dpkg/info/libc6:amd64.list`. */
const packageOf = (list: string): string => list.slice(DPKG_LISTS.length + 1).replace(/(:[^:]*)?\.list$/, '')
