/** Where a host keeps what each service has loaded. It lies in /run on purpose: a boot loads what lies on disk, and forgets it. */
export const STAMPS = '/run/provision/loaded'

/** What a service had loaded when its state last changed through us. */
export interface Stamp {
  /** The unit's StateChangeTimestampMonotonic at that moment; any start, restart or reload by others moves it and voids the stamp. */
  readonly at: string
  /** Digest by path, or `absent`. */
  readonly sums: ReadonlyMap<string, string>
}

/** Reads lines as `sha256sum` prints them, and `absent PATH`. A name with a backslash is escaped, and its line starts with one. */
export const readSums = (lines: readonly string[]): ReadonlyMap<string, string> =>
  new Map(
    lines.flatMap((line): readonly (readonly [string, string])[] => {
      const [, escaped, sha256, path] = /^(\\?)([0-9a-f]{64}|absent) [ *]?(\/.*)$/.exec(line) ?? []
      if (sha256 === undefined || path === undefined) return []
      return [[escaped === '\\' ? path.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c)) : path, sha256]]
    }),
  )

/** Reads the stamps out of `grep -H '' STAMPS`: every line behind its file's name. A torn or foreign file is no stamp. */
export const readStamps = (lines: readonly string[], units: readonly string[]): ReadonlyMap<string, Stamp> =>
  new Map(
    units.flatMap((unit): readonly (readonly [string, Stamp])[] => {
      const prefix = `${STAMPS}/${unit}:`
      const [at, ...sums] = lines.filter((line) => line.startsWith(prefix)).map((line) => line.slice(prefix.length))
      return at !== undefined && /^\d+$/.test(at) ? [[unit, { at, sums: readSums(sums) }]] : []
    }),
  )
