import { quote } from '../quote.ts'

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

/** Three processes, however many tables: nft twice, and grep for all files, a path before every line. */
export const tablesScript = (names: readonly TableName[]): string => `
c=0; if command -v nft >/dev/null; then
q=; t=$(nft list tables); c=$?
while IFS= read -r x; do case $x in ${names.map((name) => quote(`table ${idOf(name)}`)).join('|')}) q="\${q}list $x;";; esac; done <<END
$t
END
[ -z "$q" ] || nft -s "$q" || c=$?
fi; printf '\\0%s\\0' "$c"
grep -saHZ '' ${BOOT_ID} ${names.flatMap((name) => [bootFileOf(name), ...['stamp', 'live', 'rolled-back', 'pending.*'].map((end) => `${STATE}/${slugOf(name)}.${end}`)]).join(' ')}
`

/** Reads what `tablesScript` printed. */
export const readTables = (answer: string, names: readonly TableName[]): ReadonlyMap<string, SeenTable> => {
  const [listing = '', code, ...rest] = answer.split('\0')
  if (code !== '0') throw new Error('nft could not list the tables of the host')
  const lines = rest
    .join('\0')
    .split('\n')
    .map((line) => [line.slice(0, line.indexOf('\0')), line.slice(line.indexOf('\0') + 1)] as const)
  const linesOf = (path: string): readonly string[] => lines.filter(([at]) => at === path).map(([, line]) => line)
  const textOf = (path: string): string | undefined => {
    const found = linesOf(path)
    return found.length === 0 ? undefined : `${found.join('\n')}\n`
  }
  const boot = linesOf(BOOT_ID)[0]
  if (boot === undefined) throw new Error('the host could not read its boot id')
  return new Map(
    names.map((name): [string, SeenTable] => {
      const state = `${STATE}/${slugOf(name)}`
      const pending = lines
        .filter(([path]) => path.startsWith(`${state}.pending.`))
        .map(([, id]) => (id === boot ? 'this boot' : 'earlier boot'))
      return [
        idOf(name),
        {
          live: tableIn(listing, idOf(name)),
          boot: textOf(bootFileOf(name)),
          stamp: linesOf(`${state}.stamp`)[0],
          ours: textOf(`${state}.live`),
          pending: pending.find((when) => when === 'this boot') ?? pending[0],
          rolledBack: linesOf(`${state}.rolled-back`)[0],
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
