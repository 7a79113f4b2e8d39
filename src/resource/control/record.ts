import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { sha256Hex } from '../kind/content.ts'
import { ABSENT } from '../kind/inode.ts'
import type { ManagedFile, Owing, PlanContext, Trigger } from '../kind/kind.ts'
import { type Answers, digestAt, type SharedQueries } from '../kind/queries.ts'
import { DIGESTS, readSum, untrustedScript } from '../kind/stamp.ts'
import { requireSuccess, type Steps } from '../kind/step.ts'
import type { Cause } from './when.ts'

/**
 * Directory of the records of commands with `when`. A record has a line `ran KEY` and the digests of the files for each resource when the
 * command last succeeded. A line `owed KEY` is added before a run changes the resource. The next success replaces the record.
 */
const RECORDS = '/var/lib/provision/commands'

/** Returns the path of a record. The name of a command can be no name of a file. */
export const recordPath = (key: string): string => `${RECORDS}/${sha256Hex(key).slice(0, 32)}`

/** A key on a line of its own. */
const wordOf = (key: string): string => key.replace(/[%\p{Cc}]/gu, encodeURIComponent)

/** The record of a command on a host, and the digests of files that only the host knows. */
export interface Ran {
  readonly ran: ReadonlySet<string>
  readonly owed: ReadonlySet<string>
  /** Digest by path, or `absent`. */
  readonly sums: ReadonlyMap<string, string>
  readonly onDisk: ReadonlyMap<string, string>
}

const isHostOnly = ({ sha256 }: ManagedFile): boolean => sha256 === 'later' || sha256 === 'disk'
const hostOnlyPaths = (triggers: readonly Trigger[]): readonly string[] =>
  triggers.flatMap(({ files }) => files.filter(isHostOnly).map(({ path }) => path))

/** Returns the questions about a record. No process is started for it alone. */
export const recordQueries = (key: string, triggers: readonly Trigger[]): Required<Pick<SharedQueries, 'inodes' | 'digests' | 'texts'>> => {
  const paths = hostOnlyPaths(triggers)
  return { texts: [recordPath(key)], inodes: [...paths, recordPath(key)], digests: paths }
}

/** Reads a record. A line that is none, as a loss of power can leave it, voids all: the command then runs once more. */
export const readRecord = (key: string, triggers: readonly Trigger[], answers: Answers): Ran => {
  const lines = (answers.texts.get(recordPath(key)) ?? []).filter((line) => line !== '' && !line.startsWith('#'))
  const read = lines.map(readLine)
  const isWhole = read.every((line) => line !== undefined)
  const keysOf = (word: string): ReadonlySet<string> =>
    new Set(isWhole ? read.flatMap((line) => (line?.word === word ? [line.key] : [])) : [])
  return {
    ran: keysOf('ran'),
    owed: keysOf('owed'),
    sums: new Map(read.flatMap((line) => line?.sums ?? [])),
    onDisk: new Map(hostOnlyPaths(triggers).map((path) => [path, digestAt(answers, path)])),
  }
}

interface Line {
  readonly word: string
  readonly key: string
  readonly sums: readonly (readonly [string, string])[]
}

const readLine = (line: string): Line | undefined => {
  const [, word, key] = /^(ran|owed) ([a-z][a-z0-9-]*:.+)$/.exec(line) ?? []
  if (word !== undefined && key !== undefined) return { word, key, sums: [] }
  const sums = readSum(line)
  return sums.length === 0 ? undefined : { word: 'sum', key: '', sums }
}

/** Returns the resources that changed since the last success, or that change in this run. */
export const causesOf = (triggers: readonly Trigger[], record: Ran, context: PlanContext): readonly Cause[] =>
  triggers.flatMap(({ key, files }): readonly Cause[] => {
    if (context.changes(key)) return [{ key, reason: `runs because ${key} changes`, isOpen: false }]
    const open = openReason(key, files, record)
    return open === undefined ? [] : [{ key, reason: open, isOpen: true }]
  })

const openReason = (key: string, files: readonly ManagedFile[], { ran, owed, sums, onDisk }: Ran): string | undefined => {
  if (!ran.has(wordOf(key))) return `has not run yet for ${key}`
  if (owed.has(wordOf(key))) return `${key} changed, and it has not succeeded since`
  const isOther = files.some(({ path, sha256 }) => (isHostOnly({ path, sha256 }) ? onDisk.get(path) : sha256) !== sums.get(path))
  return isOther ? `${key} changed since it last ran` : undefined
}

/** Adds lines to records. The files are on the disk before the run changes a resource. */
export function* oweSteps(kind: string, owing: readonly Owing<unknown, unknown>[]): Steps {
  const paths = owing.map(({ id }) => recordPath(`${kind}:${id}`))
  const lines = owing.map(({ keys }, i) => sh`printf '\\n%s\\n' ${keys.map((key) => `owed ${wordOf(key)}`)} >>${paths[i] ?? ''} || exit`)
  requireSuccess(
    yield {
      do: 'shell',
      script: sh`mkdir -p -m 700 /var/lib/provision ${RECORDS} || exit
${lines}
sync -- ${[...paths, RECORDS]}`,
      doing: 'recording which commands the changes make due',
    },
    'the record of due commands was not written',
    'repair what the host reports; no resource was changed',
  )
}

/** A script that replaces a record after the command succeeded. */
export const ranScript = (key: string, triggers: readonly Trigger[]): Script => {
  const [record, hostOnly] = [recordPath(key), hostOnlyPaths(triggers)]
  const known = triggers.flatMap(({ files }) => files.filter((file) => !isHostOnly(file)))
  const lines = [
    `# ${wordOf(key)}`,
    ...triggers.map((trigger) => `ran ${wordOf(trigger.key)}`),
    ...known.map(({ path, sha256 }) => sumLine(sha256, path)),
  ]
  const hashed = sh`work=$(mktemp -d "$T/XXXXXXXX") || exit
${DIGESTS}${untrustedScript(hostOnly)}
set -- ${hostOnly}
for p do [ -e "$p" ] || printf 'absent %s\\n' "$p"; done; digests "$@"; rm -rf "$work"`
  return sh`mkdir -p -m 700 /var/lib/provision ${RECORDS} &&
{ printf '%s\\n' ${lines}
${hostOnly.length === 0 ? sh`` : hashed}
} >${record}.new && sync -- ${record}.new && mv -f ${record}.new ${record} && sync -- ${RECORDS}`
}

// As sha256sum prints it: a name with a backslash or a line end is escaped, and its line starts with a backslash.
const sumLine = (sha256: string, path: string): string => {
  const escaped = path.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
  return `${escaped === path ? '' : '\\'}${sha256} ${sha256 === ABSENT ? '' : ' '}${escaped}`
}
