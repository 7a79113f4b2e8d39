/** Where a host keeps what each service has loaded. It lies in /run on purpose: a boot loads what lies on disk, and forgets it. */
export const STAMPS = '/run/provision/loaded'

/** What a service had loaded when its state last changed through us. */
export interface Stamp {
  /** The unit's StateChangeTimestampMonotonic at that moment; any start, restart or reload by others moves it and voids the stamp. */
  readonly at: string
  /** Digest by path, or `absent`. */
  readonly sums: ReadonlyMap<string, string>
}

/** Reads a stamp's lines: the time, then lines as `sha256sum` prints them, and `absent PATH`. A torn or foreign file is no stamp. */
export const readStamp = ([at, ...lines]: readonly string[]): Stamp | undefined =>
  at !== undefined && /^\d+$/.test(at) ? { at, sums: new Map(lines.flatMap(readSum)) } : undefined

// A name with a backslash is escaped by sha256sum, and its line starts with one.
const readSum = (line: string): readonly (readonly [string, string])[] => {
  const [, escaped, sha256, path] = /^(\\?)([0-9a-f]{64}|absent) [ *]?(\/.*)$/.exec(line) ?? []
  if (sha256 === undefined || path === undefined) return []
  return [[escaped === '\\' ? path.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c)) : path, sha256]]
}
