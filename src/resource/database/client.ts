import type { Script } from '../../shell/script.ts'
import { hereDocument, sh } from '../../shell/sh.ts'
import { FIX_CHANGED } from '../kind/one-by-one.ts'
import { HostRefusal, type Steps } from '../kind/step.ts'
import { CHANGED } from '../kind/walk.ts'
import { DIALECTS, type Dialect, type Flavour } from './flavour.ts'
import { sqlText } from './mariadb.ts'

/** Socket of the server. Its directory belongs to the account mysql. */
const SOCKET = '/run/mysqld/mysqld.sock'

/** Limit of one wait for a lock, in seconds; the server's own default is a day. Also limits the wait for the server's greeting. */
const LOCK_S = 10

/** Limit of one statement, in seconds. The server enforces it, except while flow control of a cluster delays a commit. */
const STATEMENT_S = 40

/** Limit of a client process, in seconds, also if the server stops answering. */
const CLIENT_S = 60

/**
 * Returns the command of a client that runs for at most this many seconds. It logs in as root through the socket, without a password and
 * without root's own settings. `local-infile=0` keeps a hostile server from requesting files that the client can read. The alarm
 * survives `exec`, so the limit costs no process.
 * @param unlimited - statements may take as long as the client; only waits for locks are limited
 */
export const clientWithin = (flavour: Flavour, seconds: number, unlimited = false): Script => {
  const { client, clientOptions, statementLimit } = DIALECTS[flavour]
  const limits = [`lock_wait_timeout=${LOCK_S}`, ...(unlimited ? [] : [statementLimit(STATEMENT_S)])]
  return sh`perl -e 'alarm ${seconds};exec@ARGV;exit 127' ${client} --no-defaults --socket=${SOCKET} --local-infile=0 --connect-timeout=${LOCK_S} --init-command=${`SET ${limits.join(',')}`} --default-character-set=utf8mb4${clientOptions} -NB`
}

/** The client for all statements except long ones. */
export const clientOf = (flavour: Flavour): Script => clientWithin(flavour, CLIENT_S)

/** The client of MariaDB. */
export const MARIADB = clientOf('mariadb')

/** The beginning of a statement, up to its first value, which could be a secret. */
const SHOWN = `REGEXP_SUBSTR(REGEXP_REPLACE(p.INFO, '[[:space:]]+', ' '), '^[^''"0-9]{1,80}')`

/** The oldest threads that may hold a lock, and flow control of the cluster. A session idle in a transaction keeps its locks. */
const blockersSql = ({
  client,
  isCluster,
}: Dialect): string => `SELECT CONCAT('thread ', p.ID, ' of ', p.USER, ', for ', GREATEST(p.TIME, COALESCE(t.AGE, 0)), ' s, ',
 IF(p.INFO IS NULL, 'idle in a transaction', CONCAT(p.STATE, ': ', COALESCE(${SHOWN}, ''), '…')),
 IF(p.USER = 'system user', ' (it applies what another server wrote)', CONCAT('; to end it there: sudo ${client} -e "KILL ', p.ID, '"')))
 FROM information_schema.PROCESSLIST p
 LEFT JOIN (SELECT trx_mysql_thread_id AS ID, TIMESTAMPDIFF(SECOND, trx_started, NOW()) AS AGE FROM information_schema.INNODB_TRX) t ON t.ID = p.ID
 WHERE p.ID <> CONNECTION_ID() AND (t.AGE >= 5 OR (p.TIME >= 5 AND p.INFO IS NOT NULL)) ORDER BY GREATEST(p.TIME, COALESCE(t.AGE, 0)) DESC LIMIT 4${
   isCluster
     ? `;
SELECT 'flow control holds back all writes of the cluster: one of its servers applies nothing, and provision verify names it'
 FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'WSREP_FLOW_CONTROL_ACTIVE' AND VARIABLE_VALUE = 'true'`
     : ''
 }`

/** Prints what can block a statement, a line each; fails where the server does not answer. */
export const blockersScript = (flavour: Flavour): Script => sh`${clientWithin(flavour, 15)} -e ${blockersSql(DIALECTS[flavour])} </dev/null`

/** The script for MariaDB. */
export const BLOCKERS_SCRIPT = blockersScript('mariadb')

/** `$failure`: how a client failed, by its exit status (142 is its alarm) and what it wrote to `$T/m`. Builtins only. */
const FAILED = sh`failed() {
  words=; while IFS= read -r line; do words="$words$line "; done <"$T/m"
  case "$1 $words" in *'ERROR 1644 '*|*'ERROR 1411 '*'function uuid_to_bin'*) failure=changed ;; 142*|*'ERROR 1205 '*|*'ERROR 1969 '*|*'ERROR 3024 '*) failure=blocked ;; *'system error: 110 '*) failure=silent ;; *) failure=down ;; esac
}`

interface QueryOptions {
  /** More options of the client. */
  readonly flags?: Script
  readonly flavour?: Flavour
}

/**
 * A script that sends a query to the server. Its last line is the outcome: `end` after a complete answer, `down` if the server does not
 * run, `blocked` after the blocking threads, `silent` if the server accepts connections and does not answer. Several such scripts in one
 * request wait only once for a silent server.
 */
export const queryScript = (sql: string, { flags = sh``, flavour = 'mariadb' }: QueryOptions = {}): Script => sh`${FAILED}
unanswered() {
  failed "$1"; [ $failure != blocked ] || { echo; ${blockersScript(flavour)} || failure=silent; }
  [ $failure != silent ] || silent=1
  echo $failure
}
if [ "$silent" ]; then echo silent
elif [ -S ${SOCKET} ]; then { ${clientOf(flavour)}${flags} 2>"$T/m" ${hereDocument(`${sql}\nSELECT 'end';`, 'SQL')}
} || unanswered $?
else echo down; fi`

/** A query of a table of the schema mysql that some servers do not have; no rows if it is missing. */
export const ifTableExists = (table: string, sql: string, flavour: Flavour): string =>
  `SELECT IF(COUNT(*) = 0, 'DO 0', ${sqlText(sql)}) INTO @question FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'mysql' AND TABLE_NAME = ${sqlText(table)};
${DIALECTS[flavour].execute('@question')}`

/** Rows and fields of an answer to `queryScript`. Undefined if the server does not run. Throws `HostRefusal` if the answer is incomplete. */
export const readRows = (stdout: Buffer, flavour: Flavour = 'mariadb'): readonly (readonly string[])[] | undefined => {
  const lines = stdout.toString().split('\n').slice(0, -1)
  switch (lines.pop()) {
    case 'end':
      return lines.map((line) => line.split('\t').map(unescaped))
    case 'down':
      return undefined
    case 'blocked':
      throw new HostRefusal(
        'database server blocked by a thread that holds a lock',
        lines.slice(lines.lastIndexOf('') + 1).join('\n') || 'the process list does not show the thread: see SHOW PROCESSLIST on the host',
        'kill the thread that holds the lock, then run again',
      )
    case 'silent':
      throw new HostRefusal(
        'database server accepts connections and does not answer',
        `no greeting within ${LOCK_S} s`,
        `see \`systemctl status ${DIALECTS[flavour].client}\` on the host; restart it if it hangs, then run again`,
      )
    default:
      throw new HostRefusal('database server answered incompletely', 'the answer has no end mark', 'check that it runs, then run again')
  }
}

// Escapes of the client for characters that would break a line or a field.
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', '0': '\0', '\\': '\\' }
const unescaped = (field: string): string => field.replace(/\\(.)/g, (whole, c: string) => ESCAPES[c] ?? whole)

/** SQL that ends a script with `CHANGED` unless this condition holds: the state of `what` as it was observed, or as it is to become. */
export const refuseChanged = (what: string, isSame: string, flavour: Flavour = 'mariadb'): string =>
  DIALECTS[flavour].refuse(isSame, `${what} is not as it was observed`)

/**
 * Defines `blocked`, which ends a script whose client failed, with `CHANGED` if `refuseChanged` did. Otherwise stderr names the threads that
 * may block it and how to kill them.
 */
export const defineBlocked = (flavour: Flavour = 'mariadb'): Script => sh`${FAILED}
blocked() {
  failed "$1"
  case $words in *'function uuid_to_bin'*) words=\${words#*value: ?}; words="x: \${words%? for function*}" ;; esac
  [ $failure != changed ] || { printf '%s\\n' "\${words#*: }" >&2; exit ${CHANGED}; }
  cat "$T/m" >&2; [ $failure != blocked ] || ${blockersScript(flavour)} >&2; exit "$1"
}`

/** A client that reads statements from standard input, for scripts with `defineBlocked`. */
export const executeCommand = (client = MARIADB): Script => sh`{ ${client} 2>"$T/m" || blocked $?; }`

/** A script that executes statements: `sql`, or its standard input. */
export const executeScript = (sql?: string, flavour: Flavour = 'mariadb'): Script => sh`${defineBlocked(flavour)}
${executeCommand(clientOf(flavour))}${sql === undefined ? sh`` : sh` ${hereDocument(sql, 'SQL')}`}`

/** Errors by which a server reports its own state: no connection, no majority, read-only. Other errors are about the statement. */
const STATE_ERRORS = /^ERROR (?:2\d{3} |1047 |1213 |1290 .*read[-_]only|1836 )/m

/**
 * The fix for statements that failed, by the client's message.
 * @param statement - what to correct if the server refused the statement itself
 */
export const fixOf = (stderr: string, statement: string): string => {
  if (/^ERROR (?:1205|1969|3024) /m.test(stderr)) return 'kill the thread that holds the lock, or wait for it, then run again'
  const server = 'start the server, and make sure that it belongs to the majority of its cluster'
  return STATE_ERRORS.test(stderr) || !/^ERROR \d/m.test(stderr) ? server : `${statement}; the server refused the statement`
}

/** Runs steps that execute statements. A refusal gets the fix for the client's message. */
export function* withTrueFix(steps: Steps, statement: string): Steps {
  try {
    yield* steps
  } catch (error) {
    if (!(error instanceof HostRefusal) || error.fix === FIX_CHANGED) throw error
    throw new HostRefusal(error.what, error.why, fixOf(error.why, statement), error)
  }
}
