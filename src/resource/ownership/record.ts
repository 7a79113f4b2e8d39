import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { fileNameOf } from './role-name.ts'

/** Directory of the records on a host; one file per role, readable by root only. */
export const OWNED = '/var/lib/provision/owned'

export const recordPath = (role: string): string => `${OWNED}/${fileNameOf(role)}`

/** A recorded resource, with path and digest if it is a file (`->` and the target for a link). */
export interface OwnedResource {
  /** `kind:identity`. */
  readonly key: string
  readonly path?: string
  readonly digest?: string
  /** Its line in the current format. */
  readonly text: string
}

/** The record of a role on a host. */
export interface OwnedRecord {
  /** The current format, an older one, or the number of an unknown one. */
  readonly format: 'this' | 'older' | number
  /** Playbooks that bind the role. */
  readonly playbooks: readonly string[]
  readonly lines: readonly OwnedResource[]
}

const FORMAT = 2

/** The first line of a record. */
export const recordHead = (playbooks: readonly string[]): string => `# ${JSON.stringify({ provision: FORMAT, playbooks })}\n`

/** Formats a line: words separated by a space; spaces within a word become `%20`. */
export const recordLine = (key: string, ...words: readonly string[]): string => [key, ...words].map(escaped).join(' ')

export const escaped = (word: string): string => word.replace(/[%\s]/g, (sign) => encodeURIComponent(sign))

/** Decodes a word. An invalid escape is kept as it is. */
const unescaped = (word: string): string => {
  try {
    return decodeURIComponent(word)
  } catch {
    return word
  }
}

/** Parses a record of any version. It accepts any content. */
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

/** Parses a line of the first format, which had no head, no escapes and no targets of links. */
const readOlderLine = (line: string): OwnedResource => {
  const [key = line, path, digest] = readOlder(line)
  const words = path === undefined || digest === undefined ? [] : [path, digest]
  return { key, text: recordLine(key, ...words), ...(words.length > 0 && { path: path ?? '', digest: digest ?? '' }) }
}

const readOlder = (line: string): readonly (string | undefined)[] => {
  const [, key, path, digest] = /^(.+?) (\/.*) ([0-9a-f]{64}|absent|later|disk)$/.exec(line) ?? []
  // The path of a file appears twice and may contain spaces.
  const twice = /^file:(\/.*) \1 ([0-9a-f]{64}|absent|later)$/.exec(line)
  return twice === null ? [key, path, digest] : [`file:${twice[1]}`, twice[1], twice[2]]
}

/** A script that deletes lines of a role's record, and the record with its last line. */
export const forgetLines = (role: string, lines: readonly string[]): Script => {
  const record = recordPath(role)
  return sh`work=$(mktemp -d "$T/XXXXXXXX") || exit 1
printf '%s\\n' ${lines} >"$work/drop"
grep -avxF -f "$work/drop" -- ${record} >${record}.new; [ "$?" -lt 2 ] || exit 1
if grep -qv '^# ' ${record}.new || [ ! -s "$work/drop" ]; then chmod 600 ${record}.new && sync ${record}.new && mv -f ${record}.new ${record} || exit 1
else rm -f ${record} ${record}.new; fi
sync ${OWNED}; rm -rf "$work"`
}
