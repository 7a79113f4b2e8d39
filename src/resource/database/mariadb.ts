/** Where Debian's server keeps its data. */
export const DATA = '/var/lib/mysql'

/** However much data there are, a day is enough to bring them all; a link that is dead is noticed long before. */
export const DATA_MS = 24 * 3_600_000

/**
 * Prints `database NAME` for each of the server's own, whether or not it runs: each directory in the data directory is a database.
 * Builtins only. They read names and nothing else; a name of several lines, which no database has, could pass for another answer.
 */
export const LIST_DATABASES = `for d in ${DATA}/*/; do d=\${d%/}; case \${d##*/} in '*'|*'
'*|mysql|performance_schema|sys|'#'*|lost+found) ;; *) printf 'database %s\\n' "\${d##*/}" ;; esac; done`

/** What a host says of a thing in its server while that does not run. */
export const UNKNOWN = 'unknown'

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
