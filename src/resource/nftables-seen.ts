import { quote } from '../quote.ts'
import type { Said } from './asks.ts'
import { records } from './records.ts'

/** Which table, without its rules. */
export interface TableName {
  readonly table: string
  readonly family: string
}

/** A table as the host has it. */
export interface SeenTable {
  /** What `nft -s list table` says; undefined: there is no such table, or no nft. */
  readonly live: string | undefined
  /** The text that is loaded at boot. */
  readonly boot: string | undefined
  /** Digest of the text that was last loaded and confirmed. */
  readonly stamp: string | undefined
  /** What `nft -s list table` said right after that. */
  readonly ours: string | undefined
  /** A change that waits to be confirmed, or was cut off by a boot. */
  readonly pending: 'this boot' | 'earlier boot' | undefined
  /** When the host took the last change back by itself (UTC). */
  readonly rolledBack: string | undefined
}

export const idOf = ({ family, table }: TableName): string => `${family} ${table}`

/** Names the table in paths. */
export const slugOf = ({ family, table }: TableName): string => `${family}-${table}`

/** Loaded at boot by a unit of the role; replaced only by rules that were confirmed. */
export const bootFileOf = (name: TableName): string => `/etc/provision/nftables/${slugOf(name)}.nft`

/** What must outlive a boot: digests, the listing, marks of changes that are not confirmed. */
export const STATE = '/var/lib/provision/nftables'

const BOOT_ID = '/proc/sys/kernel/random/boot_id'

/** Files that are asked for together with other kinds'. */
export const tableTexts = (names: readonly TableName[]): readonly string[] => [
  BOOT_ID,
  ...names.flatMap((name) => [bootFileOf(name), ...['stamp', 'live', 'rolled-back'].map((end) => `${STATE}/${slugOf(name)}.${end}`)]),
]

/** One `nft` for all tables where all are there; else two more say which are, or that nft is broken. */
export const tablesScript = (names: readonly TableName[]): string => `
c=0; if command -v nft >/dev/null; then
nft -s ${quote(names.map((name) => `list table ${idOf(name)};`).join(' '))} || {
q=; t=$(nft list tables); c=$?
while IFS= read -r x; do case $x in ${names.map((name) => quote(`table ${idOf(name)}`)).join('|')}) q="\${q}list $x;";; esac; done <<END
$t
END
[ -z "$q" ] || nft -s "$q" || c=$?
}
fi; printf '\\0%s\\0' "$c"
${names.map((name) => `for f in ${STATE}/${slugOf(name)}.pending.*; do [ ! -f "$f" ] || { IFS= read -r b <"$f"; printf '%s\\n' "$b"; }; done; printf '\\0'`).join('\n')}
`

/** Reads what `tablesScript` printed, and what was said of `tableTexts`. */
export const readTables = (answer: Buffer, { texts }: Said, names: readonly TableName[]): ReadonlyMap<string, SeenTable> => {
  const textOf = (path: string): string | undefined =>
    texts
      .get(path)
      ?.map((line) => `${line}\n`)
      .join('')
  const boot = texts.get(BOOT_ID)?.[0]
  if (boot === undefined) throw new Error('the host could not read its boot id')
  const [listing = '', code, ...marks] = records(answer, 1).map(([field]) => field)
  if (code !== '0') throw new Error('nft could not list the tables of the host')
  return new Map(
    names.map((name, i): [string, SeenTable] => {
      const state = `${STATE}/${slugOf(name)}`
      const pending = (marks[i] ?? '')
        .split('\n')
        .slice(0, -1)
        .map((id) => (id === boot ? 'this boot' : 'earlier boot'))
      return [
        idOf(name),
        {
          live: tableIn(listing, idOf(name)),
          boot: textOf(bootFileOf(name)),
          stamp: texts.get(`${state}.stamp`)?.[0],
          ours: textOf(`${state}.live`),
          pending: pending.find((when) => when === 'this boot') ?? pending[0],
          rolledBack: texts.get(`${state}.rolled-back`)?.[0],
        },
      ]
    }),
  )
}

// Only the table itself begins and ends in the first column.
const tableIn = (listing: string, id: string): string | undefined => {
  const start = `\n${listing}`.indexOf(`\ntable ${id} {\n`)
  if (start < 0) return undefined
  const end = listing.indexOf('\n}', start)
  return end < 0 ? undefined : `${listing.slice(start, end)}\n}\n`
}
