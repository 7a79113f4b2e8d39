import { SUFFIX } from './config-mysql.ts'
import type { Flavour, Options } from './options.ts'

/**
 * Command that checks a configuration beside the running server, as the account mysql. The server first reads it, and then starts with it
 * in an empty directory, without network and cluster, with small files. A value that is a path could be one of the running server, so that
 * start is left out.
 */
export const configCheck = (settings: Options['settings'], flavour: Flavour): readonly string[] => {
  const { program, environment = '', read, start } = SERVERS[flavour]
  const hasPath = Object.values(settings).some((value) => String(value).includes('/'))
  const steps = [read, ...(hasPath ? [] : [start])].map((step) => `checked ${step}`)
  return [
    'setpriv',
    '--reuid=mysql',
    '--regid=mysql',
    '--init-groups',
    'sh',
    '-c',
    `${checkedScript(program, environment)}${steps.join(' && ')}`,
  ]
}

/** Runs the server; fails with its errors if it fails or logs one. Some of them begin with a bell. */
const checkedScript = (program: string, environment: string): string => `umask 077; cd /; d=$(mktemp -d) || exit 1; trap 'rm -rf "$d"' EXIT
checked() {
  ${environment}timeout -k 5 60 ${program} "$@" >"$d/help" 2>"$d/log" </dev/null; code=$?
  tr -d '\\007' <"$d/log" | grep -e '\\[ERROR\\]' -e '^${program}: ' >"$d/errors" || { [ "$code" != 0 ] || return 0; tail -n 5 "$d/log" >"$d/errors"; }
  cat "$d/errors" >&2; [ "$code" != 0 ] || code=1; return "$code"
}
`

/** Files of InnoDB in a trial start. */
const SMALL = [
  '--innodb-data-file-path=ibdata1:12M:autoextend',
  '--innodb-temp-data-file-path=ibtmp1:12M:autoextend',
  '--innodb-force-recovery=0',
]

interface Server {
  readonly program: string
  /** Variables before the command. */
  readonly environment?: string
  readonly read: string
  readonly start: string
}

/** Programs and options. Those of the trial start replace settings that need much space, belong to the running server or concern its data. */
const SERVERS: Readonly<Record<Flavour, Server>> = {
  mariadb: {
    program: 'mariadbd',
    // It reports an error of a storage engine in its output only.
    read: '--verbose --help',
    start: [
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
      ...SMALL,
    ].join(' '),
  },
  mysql: {
    program: 'mysqld',
    environment: `MYSQL_GROUP_SUFFIX=${SUFFIX} `,
    read: '--validate-config',
    start: [
      '--initialize-insecure',
      '--datadir="$d/data"',
      '--socket="$d/socket"',
      '--pid-file="$d/pid"',
      '--skip-networking',
      '--skip-log-bin',
      '--skip-slow-query-log',
      '--innodb-buffer-pool-size=32M',
      '--innodb-redo-log-capacity=8M',
      ...SMALL,
    ].join(' '),
  },
}
