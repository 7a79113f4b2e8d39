import { z } from 'zod'
import type { Script } from '../../shell/script.ts'
import { hereDocument, sh } from '../../shell/sh.ts'
import type { Change, PlanContext, Work } from '../kind/kind.ts'
import { type Answer, HostRefusal, requireSuccess, type Step } from '../kind/step.ts'
import { CHANGED } from '../kind/walk.ts'
import { MARK } from './sql.ts'

/** The option for a cluster of Debian: a server with its own data directory and port. */
export const clusterOption = z
  .string()
  .regex(/^\d{1,2}\/[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/, 'must be version and name of a cluster, such as 17/main')
  .optional()
  .meta({ description: 'the cluster, as `pg_lsclusters` lists it. Default: the only one of the host', examples: ['17/main'] })

/** The word for the only cluster of a host. */
const ONLY = 'only'

/** An identity within a cluster. */
export const within = (cluster: string | undefined, name: string): string => (cluster === undefined ? name : `${cluster}:${name}`)

/** Limit of one wait for a lock, of one statement, and of a psql process also if the server stops answering, in seconds. */
const [LOCK_S, STATEMENT_S, CLIENT_S] = [10, 40, 60]

/** Limit of an answer, in blocks of 512 bytes: 16 MiB. */
const ANSWER_BLOCKS = 32_768

/** Settings of the session. No name of a database's own schemas hides one of the server, and no statement appears in the server's log. */
const SETTINGS = {
  search_path: 'pg_catalog',
  standard_conforming_strings: 'on',
  TimeZone: 'UTC',
  DateStyle: 'ISO',
  statement_timeout: `${STATEMENT_S}s`,
  lock_timeout: `${LOCK_S}s`,
  idle_in_transaction_session_timeout: `${CLIENT_S}s`,
  log_statement: 'none',
  log_min_duration_statement: '-1',
  log_min_error_statement: 'panic',
}

/**
 * Becomes the account postgres, which alone controls the files of its clusters, and replaces itself by psql for the cluster. Prints `none`,
 * `several` or `other` with the names of clusters, if the host does not have exactly the declared one. The alarm survives `exec`.
 */
const PROGRAM = `use strict; my ($want) = @ARGV;
my ($uid, $gid) = (getpwnam "postgres")[2, 3];
my @all = map { m{^/etc/postgresql/(\\d+/\\w[\\w.-]*)/postgresql\\.conf$}a ? $1 : () } sort glob "/etc/postgresql/*/*/postgresql.conf";
if (!$uid || !@all) { print "none\\n"; exit }
if ($want eq "${ONLY}" ? @all > 1 : !grep { $_ eq $want } @all) { print $want eq "${ONLY}" ? "several" : "other", " @all\\n"; exit }
$want = $all[0] if $want eq "${ONLY}";
$) = "$gid $gid"; $( = $gid; ($<, $>) = ($uid, $uid);
die "cannot act as the account postgres\\n" if $< != $uid || $> != $uid || $) + 0 != $gid;
chdir "/"; umask 077;
%ENV = (PATH => "/usr/bin:/bin", LC_ALL => "C.UTF-8", HOME => "/nonexistent", PGCLIENTENCODING => "UTF8", PGCONNECT_TIMEOUT => ${LOCK_S}, PGAPPNAME => "provision", PGOPTIONS => "${Object.entries(
  SETTINGS,
)
  .map(([key, value]) => `-c ${key}=${value}`)
  .join(' ')}");
alarm ${CLIENT_S};
exec "/usr/bin/psql", "--cluster", $want, qw(-X -q -A -t -w -v ON_ERROR_STOP=1 -v VERBOSITY=terse -d postgres -f -);
exit 127`

/** The command for a cluster. It reads statements from standard input, and does not keep the lock of the run. */
const psql = (cluster: string | undefined): Script =>
  sh`(ulimit -f ${ANSWER_BLOCKS}; exec perl -e ${PROGRAM} ${cluster ?? ONLY}) >"$T/rows" 2>"$T/m" 9>&-`

/** \`$words\`: the beginning of what psql wrote to standard error. */
const WORDS = sh`head -c 3000 "$T/m" >"$T/w"; words=; while IFS= read -r line || [ "$line" ]; do words="$words$line "; done <"$T/w"`

/**
 * A script that sends statements to clusters and prints their rows. Each row is a JSON array. A line with the outcome ends each answer.
 * @param questions - statements by cluster; undefined for the only one
 */
export const queryClusters = (questions: ReadonlyMap<string | undefined, string>): Script =>
  sh`${[...questions].map(
    ([
      cluster,
      sql,
    ]) => sh`c=0; { ${psql(cluster)} ${hereDocument(`SELECT json_build_array('standby', pg_is_in_recovery());\n${sql}\\echo end`, 'SQL')}
} || c=$?
if [ "$c" = 0 ]; then cat "$T/rows"; else ${WORDS}; printf 'failed %s %s\\n' "$c" "$words"; fi`,
  )}`

/** The answer of one cluster. */
export type ClusterAnswer =
  | { readonly is: 'up'; readonly isStandby: boolean; readonly rows: readonly Row[] }
  | { readonly is: 'down' }
  | { readonly is: 'none' }
  | { readonly is: 'other' | 'several'; readonly clusters: string }

/** A row: a word that names its sort, and values. */
export type Row = readonly [sort: string, ...values: readonly unknown[]]

/** State of a resource in a cluster that cannot be asked. */
export type Unknown = Exclude<ClusterAnswer, { is: 'up' }> | { readonly is: 'standby' }

/** Parses the answers of these clusters. Throws `HostRefusal` if one of them refused the question. */
export const readClusters = (stdout: Buffer, clusters: readonly (string | undefined)[]): ReadonlyMap<string | undefined, ClusterAnswer> => {
  const answers: ClusterAnswer[] = []
  let rows: Row[] = []
  for (const line of stdout.toString().split('\n').slice(0, -1)) {
    if (line.startsWith('[')) {
      rows.push(JSON.parse(line) as Row)
      continue
    }
    answers.push(outcome(line, rows))
    rows = []
  }
  if (rows.length > 0 || answers.length !== clusters.length) throw new Error('psql did not answer about all clusters')
  return new Map(clusters.map((cluster, i): [string | undefined, ClusterAnswer] => [cluster, answers[i] ?? { is: 'none' }]))
}

const outcome = (line: string, rows: readonly Row[]): ClusterAnswer => {
  const [, word, rest = ''] = /^(\w+) ?(.*)$/.exec(line) ?? []
  const [first, ...others] = rows
  if (word === 'end' && first?.[0] === 'standby') return { is: 'up', isStandby: first[1] === true, rows: others }
  if (rows.length === 0 && word === 'none') return { is: 'none' }
  if (rows.length === 0 && (word === 'other' || word === 'several')) return { is: word, clusters: rest }
  if (word === 'failed') return failure(rest)
  throw new Error('psql answered incompletely')
}

/** Messages of a psql that found no socket, or a socket without a server. */
const NO_SERVER = /connection to server on socket .* failed: (No such file or directory|Connection refused)/

const failure = (rest: string): ClusterAnswer => {
  const [, code = '', words = ''] = /^(\d+) (.*)$/.exec(rest) ?? []
  if (code === '2' && NO_SERVER.test(words)) return { is: 'down' }
  throw new HostRefusal('PostgreSQL did not answer', reasonOf(code, words), fixOf(words))
}

const reasonOf = (code: string, words: string): string =>
  code === '142' ? `psql was ended after ${CLIENT_S} s` : words.trim() || `psql ended with status ${code} and printed nothing`

const fixOf = (words: string): string =>
  /Peer authentication failed|no pg_hba\.conf entry/.test(words)
    ? 'let the account postgres in: the first rule of pg_hba.conf must be `local all postgres peer`'
    : 'fix the problem that the server reports, then run again'

/** A script that executes statements in a cluster: `sql`, or its standard input. It ends with `CHANGED` if a comparison failed. */
export const executeScript = (
  cluster: string | undefined,
  sql?: string,
): Script => sh`c=0; { ${psql(cluster)}${sql === undefined ? sh`` : sh` ${hereDocument(sql, 'SQL')}`}
} || c=$?
if [ "$c" = 0 ]; then
  IFS= read -r line <"$T/rows" || line=
  case $line in none*|other*|several*) echo "the host does not have the cluster: $line" >&2; exit 1 ;; esac
  exit 0
fi
${WORDS}; case $words in *${`ERROR:  ${MARK}: `}*) printf '%s\\n' "\${words#*CHANGED: }" >&2; exit ${CHANGED} ;; esac
[ "$c" != 142 ] || words="psql was ended after ${CLIENT_S} s; $words"
printf '%s\\n' "$words" >&2; exit "$c"`

/**
 * Returns the states of resources whose server could not be asked at the observation, by identity. Throws `HostRefusal` if it still cannot.
 * @param observe - the question of the kind
 */
export function* observeAgain<Spec, State extends { readonly is: string }>(
  observe: (specs: readonly Spec[]) => { readonly script: Script; parse(stdout: Buffer): ReadonlyMap<string, State> },
  work: readonly Work<Spec, State>[],
): Generator<Step, ReadonlyMap<string, State>, Answer> {
  const unknown = work.filter(({ state }) => state.is !== 'known')
  if (unknown.length === 0) return new Map()
  const { script, parse } = observe(unknown.map(({ spec }) => spec))
  const answer = yield { do: 'shell', script: sh`set -e\n${script}`, doing: 'asking PostgreSQL' }
  const states = parsed(() => parse(requireSuccess(answer, 'PostgreSQL did not answer').stdout))
  const [id, state] = [...states].find(([, one]) => one.is !== 'known') ?? []
  if (id !== undefined)
    throw new HostRefusal(
      `${id} not changed`,
      state?.is === 'down' ? 'the server does not run' : 'the host does not have the cluster',
      'declare the service postgresql before it, then run again',
      { culprit: id },
    )
  return states
}

/** What a function returns. Its errors are about the answer of the host. */
const parsed = <T>(parse: () => T): T => {
  try {
    return parse()
  } catch (error) {
    if (error instanceof HostRefusal) throw error
    throw new HostRefusal('PostgreSQL answered incompletely', String(error), 'check that the server runs, then run again')
  }
}

/** Whether an earlier resource of the run may install the server, or prepare it. */
export const mayAppear = ({ packagesPending, anyPackagesPending, opaquePending }: PlanContext): boolean =>
  packagesPending || anyPackagesPending === true || opaquePending === true

/** The change of a resource whose cluster cannot be asked. The run refuses the host where `forbidUnknown` returns a reason. */
export const planUnknown = (is: Unknown['is'], state: 'present' | 'absent', context: PlanContext): Change | undefined => {
  if (is === 'down')
    return {
      action: state === 'absent' ? 'delete' : 'update',
      certainty: 'dependent',
      reason: 'server not running, checked once it runs',
      differences: [],
    }
  if ((is === 'none' || is === 'other') && state === 'present' && mayAppear(context))
    return { action: 'create', certainty: 'dependent', reason: 'missing', differences: [] }
  return undefined
}

/** Why the run cannot change a host whose cluster cannot be asked. */
export const forbidUnknown = (
  what: string,
  { cluster, state }: { readonly cluster?: string | undefined; readonly state: string },
  unknown: Unknown,
  context: PlanContext,
): HostRefusal | undefined => {
  if (unknown.is === 'several')
    return new HostRefusal(
      `${what} does not name its cluster`,
      `the host has several: ${unknown.clusters}`,
      `set \`cluster: ${unknown.clusters.split(' ', 1)[0]}\`, for example`,
    )
  if (unknown.is === 'other' && !mayAppear(context))
    return new HostRefusal(
      `the host has no PostgreSQL cluster ${cluster}`,
      `it has ${unknown.clusters}`,
      'correct `cluster`, or install the package of this version before',
    )
  if (unknown.is === 'none' && state === 'present' && !mayAppear(context))
    return new HostRefusal('the host has no PostgreSQL cluster', `${what} needs one`, 'declare the package postgresql before it')
  return undefined
}
