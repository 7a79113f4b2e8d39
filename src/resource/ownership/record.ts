import { quote } from '../../shell/quote.ts'

/** Where a host keeps the record of what we own; one file a role, readable by root alone. */
export const OWNED = '/var/lib/provision/owned'

export const recordPath = (role: string): string => `${OWNED}/${role}`

/** Something that we own: its resource, and where it consists of a file, its path and digest (of a link, `->` and its target). */
export interface OwnedResource {
  /** `kind:identity`. */
  readonly key: string
  readonly path?: string
  readonly digest?: string
  /** As it stands in the record of this version. */
  readonly text: string
}

/** What a role owns on a host, as the host has it written down. */
export interface OwnedRecord {
  /** Who wrote it: this version, one before it, or one that is not known here. */
  readonly format: 'this' | 'older' | number
  /** From which playbooks the role came. */
  readonly playbooks: readonly string[]
  readonly lines: readonly OwnedResource[]
}

const FORMAT = 2

/** The first line of a record. */
export const recordHead = (playbooks: readonly string[]): string => `# ${JSON.stringify({ provision: FORMAT, playbooks })}\n`

/** One thing as a line: words apart by a space, so spaces within them are written as `%20`. */
export const recordLine = (key: string, ...words: readonly string[]): string => [key, ...words].map(escaped).join(' ')

export const escaped = (word: string): string => word.replace(/[%\s]/g, (sign) => encodeURIComponent(sign))

/** A word that is no escape of ours stays as it is. */
const unescaped = (word: string): string => {
  try {
    return decodeURIComponent(word)
  } catch {
    return word
  }
}

/** Reads a record, of whichever version. Nothing a host writes there can make it fail. */
export const readRecord = (lines: readonly string[]): OwnedRecord => {
  const head = headOf(lines[0] ?? '')
  if (head === undefined) return { format: 'older', playbooks: [], lines: lines.map(readOlderLine) }
  if (head.provision !== FORMAT) return { format: head.provision, playbooks: [], lines: [] }
  return { format: 'this', playbooks: head.playbooks, lines: lines.slice(1).map(owned) }
}

const headOf = (line: string): { readonly provision: number; readonly playbooks: readonly string[] } | undefined => {
  if (!line.startsWith('# ')) return undefined
  try {
    const { provision, playbooks } = JSON.parse(line.slice(2))
    return { provision: Number(provision), playbooks: Array.isArray(playbooks) ? playbooks.map(String) : [] }
  } catch {
    return { provision: Number.NaN, playbooks: [] }
  }
}

const owned = (line: string): OwnedResource => {
  const [key = '', path, digest] = line.split(' ').map(unescaped)
  return { key, text: line, ...(path !== undefined && { path }), ...(digest !== undefined && { digest }) }
}

/** The first format had no head and escaped nothing; of links it did not know where they led. */
const readOlderLine = (line: string): OwnedResource => {
  const [key = line, path, digest] = readOlder(line)
  const words = path === undefined || digest === undefined ? [] : [path, digest]
  return { key, text: recordLine(key, ...words), ...(words.length > 0 && { path: path ?? '', digest: digest ?? '' }) }
}

const readOlder = (line: string): readonly (string | undefined)[] => {
  const [, key, path, digest] = /^(.+?) (\/.*) ([0-9a-f]{64}|absent|later|disk)$/.exec(line) ?? []
  // The path of a file stands there twice, and may hold spaces.
  const twice = /^file:(\/.*) \1 ([0-9a-f]{64}|absent|later)$/.exec(line)
  return twice === null ? [key, path, digest] : [`file:${twice[1]}`, twice[1], twice[2]]
}

/** Shell that takes lines out of a role's record, and the record away with its last one. `$T` holds what it is made of meanwhile. */
export const forgetLines = (role: string, lines: readonly string[]): string => {
  const record = quote(recordPath(role))
  return `w=$(mktemp -d "$T/XXXXXXXX") || exit 1
printf '%s\\n' ${lines.map(quote).join(' ')} >"$w/drop"
grep -avxF -f "$w/drop" -- ${record} >${record}.new; [ "$?" -lt 2 ] || exit 1
if grep -qv '^# ' ${record}.new || [ ! -s "$w/drop" ]; then chmod 600 ${record}.new && sync ${record}.new && mv -f ${record}.new ${record} || exit 1
else rm -f ${record} ${record}.new; fi
sync ${quote(OWNED)}; rm -rf "$w"`
}
