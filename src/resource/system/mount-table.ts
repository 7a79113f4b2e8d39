/** A line of /etc/fstab. */
export interface FstabEntry {
  readonly source: string
  readonly path: string
  readonly type: string
  readonly options: string
  /** Order of the check at boot; 0: none. */
  readonly pass: number
}

/** A mounted filesystem, of /proc/self/mountinfo. */
export interface Mounted {
  readonly source: string
  readonly path: string
  readonly type: string
  /** Options of the mount point and of the filesystem. */
  readonly options: readonly string[]
}

/** fstab(5) and proc(5) write blanks and backslashes in octal. */
const decoded = (word: string): string =>
  word.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
const encoded = (word: string): string => word.replaceAll(/[\s\\#]/g, (sign) => `\\${sign.charCodeAt(0).toString(8).padStart(3, '0')}`)

/** Parses a line of /etc/fstab. Undefined for comments and empty lines. */
export const readFstabLine = (line: string): FstabEntry | undefined => {
  const [source = '', path, type = '', options = 'defaults', , pass = '0'] = line.trim().split(/[ \t]+/)
  if (path === undefined || source.startsWith('#')) return undefined
  return { source: decoded(source), path: decoded(path), type, options: decoded(options), pass: Number(pass) }
}

export const fstabLine = ({ source, path, type, options, pass }: FstabEntry): string =>
  `${encoded(source)} ${encoded(path)} ${type} ${encoded(options)} 0 ${pass}`

/** Returns the text with this entry in place of all entries of its path, or without them. All other lines stay as they are. */
export const withEntry = (text: string, path: string, entry: FstabEntry | undefined): string =>
  withEntryOf(text, (one) => one?.path === path, entry)

/** The same for all entries that `isOld` accepts. */
export const withEntryOf = (text: string, isOld: (entry: FstabEntry | undefined) => boolean, entry: FstabEntry | undefined): string => {
  const lines = text.replace(/\n$/, '').split('\n')
  const first = lines.findIndex((line) => isOld(readFstabLine(line)))
  const wanted = entry === undefined ? [] : [fstabLine(entry)]
  const kept = lines.flatMap((line, i) => (i === first ? wanted : isOld(readFstabLine(line)) ? [] : [line]))
  const all = first < 0 ? [...(text === '' ? [] : lines), ...wanted] : kept
  return all.length === 0 ? '' : `${all.join('\n')}\n`
}

/** Parses /proc/self/mountinfo. Of several mounts at a path, the last one counts: it covers the others. */
export const readMounts = (lines: readonly string[]): ReadonlyMap<string, Mounted> =>
  new Map(
    lines.flatMap((line): readonly (readonly [string, Mounted])[] => {
      const [before = '', after] = line.split(/ - (.*)/s)
      const [, , , , path, options = ''] = before.split(' ')
      const [type = '', source = '', ofFilesystem = ''] = after?.split(' ') ?? []
      if (path === undefined || after === undefined) return []
      const all = [...options.split(','), ...ofFilesystem.split(',')]
      return [[decoded(path), { source: decoded(source), path: decoded(path), type, options: all }]]
    }),
  )

/** Options that the kernel reports, each with its opposite. The first of a pair is what a mount has unless it says otherwise. */
const FLAGS: readonly (readonly [string, string])[] = [
  ['rw', 'ro'],
  ['suid', 'nosuid'],
  ['dev', 'nodev'],
  ['exec', 'noexec'],
]

/** Returns the flags that the kernel does not have as declared. Others, such as the size of a tmpfs, are compared in /etc/fstab alone. */
export const flagsThatDiffer = (declared: readonly string[], live: readonly string[]): readonly string[] =>
  FLAGS.flatMap(([usual, other]) => {
    const wanted = declared.findLast((option) => option === usual || option === other)
    // user and group imply nosuid, nodev and noexec; without one of these words, defaults may be changed by the filesystem.
    if (wanted === undefined) return []
    return live.includes(other) === (wanted === other) ? [] : [wanted]
  })
