import type { Script } from '../../shell/script.ts'
import { join, sh } from '../../shell/sh.ts'
import { readTrial, stateOf, type TrialState, trialQueries, trialScript } from '../guarded/trial.ts'
import { records } from '../kind/chunks.ts'
import type { Answers } from '../kind/queries.ts'
import { defeatsScript, hasDefeats } from './conflicts.ts'
import { type Foreign, LEGACY, readForeign } from './foreign.ts'

/** A table by family and name, without its rules. */
export interface TableName {
  readonly table: string
  readonly family: string
}

/** State of a table on a host. */
export interface TableState extends TrialState {
  /** Output of `nft -s list table`; undefined if the table or nft is missing. */
  readonly live: string | undefined
  /** The text that is loaded at boot. */
  readonly boot: string | undefined
  /** Digest of the last confirmed text. */
  readonly stamp: string | undefined
  /** Output of `nft -s list table` right after its confirmation. */
  readonly ours: string | undefined
  /** Other packet filters of the host. */
  readonly foreign: Foreign
}

// A plan stays readable beside a host with its own large firewall.
const SHOWN = 20

export const idOf = ({ family, table }: TableName): string => `${family} ${table}`

/** Name of the table in paths. */
const slugOf = ({ family, table }: TableName): string => `${family}-${table}`

/** Rules that a unit of the role loads at boot; replaced only after confirmation. */
export const bootFileOf = (name: TableName): string => `/etc/provision/nftables/${slugOf(name)}.nft`

/** Name of the trial of new rules. */
export const trialSlug = (name: TableName): string => `nftables/${slugOf(name)}`

/** Files for the shared queries. */
export const tableTexts = (names: readonly TableName[]): readonly string[] => [
  ...trialQueries(names.map(trialSlug)).texts,
  ...names.flatMap((name) => [bootFileOf(name), ...['stamp', 'live'].map((end) => `${stateOf(trialSlug(name))}.${end}`)]),
  ...LEGACY,
]

// Lists all chains in the same process. nft 1.0.6 lists only those of the table named before, unless another command precedes; the output
// of `describe` also marks the end of our tables.
const CHAINS = 'describe iif; list chains'
const DESCRIBED = '\nmeta expression, '

/** One `nft` process if all tables exist; otherwise two more find the existing ones. Another reads foreign rules, if there are any. */
export const tablesScript = (names: readonly (TableName & { readonly text: string })[]): Script => sh`
status=0; foreign=; if command -v nft >/dev/null; then
listed=$(nft -s ${[...names.map((name) => `list table ${idOf(name)};`), CHAINS].join(' ')}) || foreign=1
printf '%s\n' "$listed"
if [ -n "$foreign" ]; then
query=; tables=$(nft list tables)
while IFS= read -r line; do case $line in ${join(
  sh`|`,
  names.map((name) => `table ${idOf(name)}`),
)}) query="\${query}list $line;";; esac; done <<END
$tables
END
nft -s "$query "${CHAINS} || status=$?
fi
set -f; IFS='
'
for line in $listed; do case $line in ${join(
  sh`|`,
  names.map((name) => `table ${idOf(name)} {`),
)}) ;; 'table '*) foreign=1;; esac; done
unset IFS; set +f
fi; printf '\\0%s\\0' "$status"
${names.map((name) => (hasDefeats(name.text) ? sh`[ -z "$foreign" ] || { ${defeatsScript(idOf(name), name.text)} >"$T/defeats" || [ $? = 1 ]; sed -n ${`1,${SHOWN}p;$=`} "$T/defeats"; }` : sh`:`))}
printf '\\0'
${trialScript(names.map(trialSlug))}
`

/** The first lines of each table, and the number of the others: the last line is the number of all. */
const readDefeats = (answer: string): readonly string[] => [
  ...new Set(
    answer.split('\n').flatMap((line) => {
      if (!/^\d*$/.test(line)) return [line]
      return Number(line) > SHOWN ? [`${Number(line) - SHOWN} more rules of others defeat those of provision: nft list ruleset`] : []
    }),
  ),
]

/** Parses the output of `tablesScript` and the answers about `tableTexts`. */
export const readTables = (answer: Buffer, answers: Answers, names: readonly TableName[]): ReadonlyMap<string, TableState> => {
  const textOf = (path: string): string | undefined =>
    answers.texts
      .get(path)
      ?.map((line) => `${line}\n`)
      .join('')
  const [listing = '', code, defeats = '', ...marks] = records(answer, 1).map(([field]) => field)
  if (code !== '0') throw new Error('nft did not list the tables of the host')
  const [own = '', chains = ''] = `\n${listing}`.split(DESCRIBED)
  const foreign: Foreign = {
    chains: readForeign(chains.slice(chains.indexOf('\n') + 1), new Set(names.map(idOf))),
    defeats: readDefeats(defeats),
    legacy: [...new Set(LEGACY.flatMap((path) => answers.texts.get(path) ?? []))],
  }
  return new Map(
    names.map((name, i): [string, TableState] => {
      const state = stateOf(trialSlug(name))
      return [
        idOf(name),
        {
          live: tableIn(own, idOf(name)),
          boot: textOf(bootFileOf(name)),
          stamp: answers.texts.get(`${state}.stamp`)?.[0],
          ours: textOf(`${state}.live`),
          ...readTrial(marks[i] ?? '', answers, trialSlug(name)),
          foreign,
        },
      ]
    }),
  )
}

// Only a table begins and ends in the first column.
const tableIn = (listing: string, id: string): string | undefined => {
  const start = listing.indexOf(`\ntable ${id} {\n`) + 1
  if (start === 0) return undefined
  const end = listing.indexOf('\n}', start)
  return end < 0 ? undefined : `${listing.slice(start, end)}\n}\n`
}
