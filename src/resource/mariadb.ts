import { Refused } from './step.ts'

/** The server's own account root, through its socket: no password, and nothing of root's own settings. */
export const MARIADB = 'mariadb --no-defaults --socket=/run/mysqld/mysqld.sock --default-character-set=utf8mb4 -NB'

/** Where Debian's server keeps its data. */
export const DATA = '/var/lib/mysql'

/** However much data there are, a day is enough to bring them all; a link that is dead is noticed long before. */
export const DATA_MS = 24 * 3_600_000

/** Prints `database NAME` for each of the server's own, whether or not it runs. Builtins only: each directory in the data directory is a database. */
export const LIST_DATABASES = `for d in ${DATA}/*/; do d=\${d%/}; case \${d##*/} in '*'|mysql|performance_schema|sys|'#'*|lost+found) ;; *) printf 'database %s\\n' "\${d##*/}" ;; esac; done`

/** What a host says of a thing in its server while that does not run. */
export const UNKNOWN = 'unknown'

/**
 * A script that asks the server; prints `down` where it does not run, and `end` after a whole answer.
 * @param maybe - what is asked as well, and may not be known to every server: it is left out where it is not
 */
export const askScript = (
  sql: string,
  maybe = '',
  client = MARIADB,
): string => `[ ! -S /run/mysqld/mysqld.sock ] || ${maybe === '' ? client : `${client} --force 2>/dev/null`} <<'SQL' || echo down
${maybe}${sql}
SELECT 'end';
SQL
[ -S /run/mysqld/mysqld.sock ] || echo down`

/** The rows of an answer to `askScript`, as fields; undefined where the server does not run. Throws `Refused` where it is not whole. */
export const readRows = (stdout: Buffer): readonly (readonly string[])[] | undefined => {
  const lines = stdout.toString().split('\n')
  if (lines.at(-2) === 'down') return undefined
  if (lines.at(-2) !== 'end')
    throw new Refused('the server answered only in part', 'its answer has no end', 'see that it runs, and run again')
  return lines.slice(0, -2).map((line) => line.split('\t').map(unescaped))
}

// What the client writes for characters that would break a line or a field.
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', '0': '\0', '\\': '\\' }
const unescaped = (field: string): string => field.replace(/\\(.)/g, (whole, c: string) => ESCAPES[c] ?? whole)

/** A text as SQL has it, where backslashes escape. It is one line, so that it ends no here-document that it stands in. */
export const sqlText = (value: string): string =>
  `'${value.replace(/[\\'\n\0]/g, (c) => (c === '\n' ? '\\n' : c === '\0' ? '\\0' : `\\${c}`))}'`

/** A name of something as SQL has it. */
export const sqlName = (name: string): string => `\`${name.replaceAll('`', '``')}\``

/**
 * Whether it is this host that changes what is in the servers of a cluster, which all of them share: the first in their order whose
 * server runs; where none does, the first that was reached.
 */
export const isLead = (me: string, servers: readonly string[], members: ReadonlyMap<string, unknown>): boolean => {
  const reached = servers.filter((host) => members.has(host) || host === me)
  return me === (reached.find((host) => members.has(host) && members.get(host) !== UNKNOWN) ?? reached[0])
}
