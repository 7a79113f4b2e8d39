import type { Options } from './options.ts'

/**
 * Command that checks a configuration beside the running server, as the account mysql. `--help` reads it, but reports an error of a
 * storage engine in its output only. The server then starts with it in an empty directory, without network and cluster, with small files.
 * A value that is a path could be one of the running server, so that start is left out.
 */
export const configCheck = (settings: Options['settings']): readonly string[] => {
  const hasPath = Object.values(settings).some((value) => String(value).includes('/'))
  const steps = [READ, ...(hasPath ? [] : [START])].map((step) => `checked ${step}`)
  return ['setpriv', '--reuid=mysql', '--regid=mysql', '--init-groups', 'sh', '-c', `${CHECKED}${steps.join(' && ')}`]
}

/** Runs the server; fails with its errors if it fails or logs one. Some of them begin with a bell. */
const CHECKED = `umask 077; cd /; d=$(mktemp -d) || exit 1; trap 'rm -rf "$d"' EXIT
checked() {
  timeout -k 5 60 mariadbd "$@" >"$d/help" 2>"$d/log" </dev/null; code=$?
  tr -d '\\007' <"$d/log" | grep -e '\\[ERROR\\]' -e '^mariadbd: ' >"$d/errors" || { [ "$code" != 0 ] || return 0; tail -n 5 "$d/log" >"$d/errors"; }
  cat "$d/errors" >&2; [ "$code" != 0 ] || code=1; return "$code"
}
`

const READ = '--verbose --help'

/** Options of the trial start. They replace settings that need much space, belong to the running server or concern its data. */
const START = [
  '--bootstrap',
  '--datadir="$d"',
  '--socket="$d/socket"',
  '--pid-file="$d/pid"',
  '--skip-networking',
  '--wsrep-on=OFF',
  '--skip-log-bin',
  '--skip-slow-query-log',
  '--skip-slave-start',
  '--innodb-buffer-pool-size=32M',
  '--innodb-log-file-size=4M',
  '--innodb-data-file-path=ibdata1:12M:autoextend',
  '--innodb-temp-data-file-path=ibtmp1:12M:autoextend',
  '--innodb-force-recovery=0',
].join(' ')
