import { sh } from '../../shell/sh.ts'
import { ABSENT, type InodeState } from '../kind/inode.ts'
import type { KindQuery } from '../kind/kind.ts'
import { orphanPolicyOf } from '../kind/orphan-policy.ts'
import { absolutePath } from '../kind/path.ts'
import { inodeAt } from '../kind/queries.ts'
import { unitName } from '../service/unit-name.ts'
import { type OwnedResource, readRecord, recordPath } from './record.ts'

export interface OrphanSpec {
  /** The role whose record lists it. */
  readonly role: string
  readonly owned: OwnedResource
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
}

/** The path of an orphan. Undefined if it has none, or if the record contains an invalid one. */
export const placeOf = ({ path, key }: OwnedResource): string | undefined => {
  const place = path ?? ('delete' in orphanPolicyOf(key) ? key.slice(key.indexOf(':') + 1) : undefined)
  return place !== undefined && absolutePath.safeParse(place).success ? place : undefined
}

/** The unit that is stopped in place of a deletion: the record names it, and the policy of its kind says so. */
export const recordedUnit = ({ path, key }: OwnedResource): string | undefined => {
  const policy = orphanPolicyOf(key)
  return 'keep' in policy && policy.stopsRecorded === true && unitName.safeParse(path).success ? path : undefined
}

const MAX_NAMES = 50

/**
 * Observes orphans: inode, digest and owning package. One `dpkg-query` for all, only if there are any. The script uses `theirs` and
 * `$reader` of `path-queries`.
 */
export const observeOrphans = (name: string, specs: readonly OrphanSpec[]): KindQuery<OrphanState> => {
  const places = specs.flatMap(({ owned }) => placeOf(owned) ?? [])
  return {
    shared: { inodes: places, digests: places, texts: [...new Set(specs.map(({ role }) => recordPath(role)))] },
    script:
      places.length === 0
        ? sh``
        : sh`dpkg-query -S -- ${places} | tr '\\n' '\\0'; printf 'within\\0'
set -- ${places}
if theirs "$@"; then perl -e "$reader" -- names "$T" ${MAX_NAMES} "$@"
else for p do [ ! -d "$p" ] || [ -L "$p" ] || find "$p" -mindepth 1 -maxdepth 1 -printf '%h\\0%f\\0' | head -z -n ${2 * MAX_NAMES}; done; fi`,
    parse: (stdout, answers) => {
      const fields = stdout.toString().split('\0')
      const middle = fields.indexOf('within')
      const packages = new Map(
        fields.slice(0, Math.max(middle, 0)).map((line) => [line.replace(/^.*?: /s, ''), line.split(/[,:]/, 1)[0] ?? '']),
      )
      const within = Map.groupBy(pairs(fields.slice(middle + 1)), ([directory]) => directory)
      const records = new Map(specs.map(({ role }) => [role, readRecord(answers.texts.get(recordPath(role)) ?? [])]))
      const isRecorded = (role: string, key: string): boolean => records.get(role)?.lines.some((line) => line.key === key) ?? false
      return new Map(
        specs.map(({ role, owned }): [string, OrphanState] => {
          const place = placeOf(owned)
          const id = owned.key.slice(name.length + 1)
          const recorded = isRecorded(role, owned.key)
          if (place === undefined) return [id, { recorded, inode: ABSENT, within: [] }]
          const sha256 = answers.digests.get(place)
          const owner = packages.get(place)
          return [
            id,
            {
              recorded,
              inode: inodeAt(answers, place),
              within: (within.get(place) ?? []).map(([, one]) => one),
              ...(sha256 !== undefined && { sha256 }),
              ...(owner !== undefined && { package: owner }),
            },
          ]
        }),
      )
    },
  }
}

const pairs = (fields: readonly string[]): readonly (readonly [string, string])[] =>
  Array.from({ length: Math.floor(fields.length / 2) }, (_, i) => [fields[2 * i] ?? '', fields[2 * i + 1] ?? ''] as const)
