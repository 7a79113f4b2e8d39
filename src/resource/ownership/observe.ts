import { quote } from '../../shell/quote.ts'
import { ABSENT, type InodeState } from '../kind/inode.ts'
import type { KindQuery } from '../kind/kind.ts'
import { orphanPolicyOf } from '../kind/orphan-policy.ts'
import { absolutePath } from '../kind/path.ts'
import { inodeAt } from '../kind/queries.ts'
import { type OwnedResource, readRecord, recordPath } from './record.ts'

export interface OrphanSpec {
  /** Whose record it stands in. */
  readonly role: string
  readonly owned: OwnedResource
  /** Whether it shall be dealt with, or only told. */
  readonly prune: boolean
}

/** A thing as it is now; of what is no path nothing is asked. */
export interface OrphanState {
  /** Whether our record still speaks of it. */
  readonly recorded: boolean
  readonly inode: InodeState
  readonly sha256?: string
  /** Names within a directory, as many as are worth naming. */
  readonly within: readonly string[]
  /** The package that it belongs to. */
  readonly package?: string
}

/** Where a thing lies; undefined where it is nothing that lies at a path. A host may have written anything there. */
export const placeOf = ({ path, key }: OwnedResource): string | undefined => {
  const place = path ?? ('delete' in orphanPolicyOf(key) ? key.slice(key.indexOf(':') + 1) : undefined)
  return place !== undefined && absolutePath.safeParse(place).success ? place : undefined
}

const MAX_NAMES = 50

/**
 * What lies there, its digest, and which package it belongs to: one `dpkg-query` for all, and only where something is left over. `theirs`
 * and `$reader` come with what is asked of paths (see `ask-paths`).
 */
export const observeOrphans = (name: string, specs: readonly OrphanSpec[]): KindQuery<OrphanState> => {
  const places = specs.flatMap(({ owned }) => placeOf(owned) ?? [])
  const words = places.map(quote).join(' ')
  return {
    shared: { inodes: places, digests: places, texts: [...new Set(specs.map(({ role }) => recordPath(role)))] },
    script:
      places.length === 0
        ? ''
        : `dpkg-query -S -- ${words} | tr '\\n' '\\0'; printf 'within\\0'
set -- ${words}
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
