import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { CHANGED } from '../kind/walk.ts'

/** Data directories of the server: of new packages (from 1:11.8.6-5), and of others, which an upgraded server keeps. */
export const DATA_DIRECTORIES = ['/var/lib/mariadb', '/var/lib/mysql'] as const

/** Written by the package if an upgraded server keeps the older directory. `roles/mysql` includes it in the configuration. */
export const KEEPS_DATA = '/etc/mysql/mariadb.conf.d/99-legacy-datadir.cnf'

/** Sets `$data` to the data directory of this host, as its package chose it. Builtins only. */
export const DEFINE_DATA = sh`data=${DATA_DIRECTORIES[0]}; [ -d "$data" ] && [ ! -e ${KEEPS_DATA} ] || data=${DATA_DIRECTORIES[1]}`

/** Limit of a transfer of all data, in milliseconds: a day. A dead connection is detected much earlier. */
export const DATA_MS = 24 * 3_600_000

/**
 * Prints `database NAME` for every database, whether or not the server runs: each directory in the data directory is one. Builtins only.
 * Names with line breaks, which no database has, are skipped because they could be read as another answer.
 */
export const listDatabases = (defineData: Script): Script => sh`${defineData}
for directory in "$data"/*/; do directory=\${directory%/}; case \${directory##*/} in '*'|*'
'*|mysql|performance_schema|sys|'#'*|lost+found) ;; *) printf 'database %s\\n' "\${directory##*/}" ;; esac; done`

/** The databases of MariaDB. */
export const LIST_DATABASES = listDatabases(DEFINE_DATA)

/**
 * Ends a script that is about to replace all data of a server with `CHANGED`, if the server has a database that it had not when it was
 * observed. Builtins only.
 */
export const refuseNewDatabases = (
  host: string,
  observed: readonly string[],
  defineData = DEFINE_DATA,
): Script => sh`known=${['', ...observed, ''].join('\n')}
${listDatabases(defineData)} >"$T/databases" || exit 1
while IFS=' ' read -r _ name; do case $known in *"
$name
"*) ;; *) echo ${`the data of ${host} is not as it was observed: it has the database`} "$name" >&2; exit ${CHANGED} ;; esac; done <"$T/databases"`

/** State of a resource in a server that does not run. */
export const UNKNOWN = 'unknown'

/** Quotes a text for SQL with backslash escapes. The result is one line, so it cannot end a here-document. */
export const sqlText = (value: string): string =>
  `'${value.replace(/[\\'\n\0]/g, (c) => (c === '\n' ? '\\n' : c === '\0' ? '\\0' : `\\${c}`))}'`

/** Quotes an identifier for SQL. */
export const sqlName = (name: string): string => `\`${name.replaceAll('`', '``')}\``

/**
 * Whether this host applies changes to data that all servers share: it is the first whose server runs, or, if none runs, the first that
 * was reached.
 */
export const isLead = (me: string, servers: readonly string[], members: ReadonlyMap<string, unknown>): boolean => {
  const reached = servers.filter((host) => members.has(host) || host === me)
  return me === (reached.find((host) => members.has(host) && members.get(host) !== UNKNOWN) ?? reached[0])
}
