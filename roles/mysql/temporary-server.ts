import type { Flavour } from './options.ts'

interface Programs {
  readonly client: string
  readonly dump: string
  readonly dumpOptions: string
  /** Creates a data directory, without a password for root. */
  readonly install: string
  readonly installOptions: string
  readonly server: string
  readonly serverOptions: string
}

/** Programs, and options that the other flavour does not have. */
export const PROGRAMS: Readonly<Record<Flavour, Programs>> = {
  mariadb: {
    client: 'mariadb',
    dump: 'mariadb-dump',
    dumpOptions: '',
    install: 'mariadb-install-db --no-defaults',
    installOptions: '--auth-root-authentication-method=normal --skip-test-db',
    server: 'mariadbd',
    serverOptions: '',
  },
  mysql: {
    client: 'mysql',
    dump: 'mysqldump',
    // A restored table gets transactions of the server that it is restored to.
    dumpOptions: ' --set-gtid-purged=OFF --no-tablespaces',
    // The directory of the package is not readable for the account of the backups.
    install: 'mysqld --no-defaults --initialize-insecure',
    installOptions: '--secure-file-priv=NULL',
    server: 'mysqld',
    serverOptions: ' --secure-file-priv=NULL --mysqlx=OFF',
  },
}

/** Variables and functions of the scripts that start a temporary server. */
export const serverShell = (flavour: Flavour): string => `SYSTEM="'mysql', 'sys', 'information_schema', 'performance_schema'"
client='${PROGRAMS[flavour].client} --no-defaults --socket=/run/mysqld/mysqld.sock --local-infile=0 --connect-timeout=10 --default-character-set=utf8mb4 -NB'
# For queries while the tables are locked: a server that does not answer must not keep them locked.
query() { timeout 60 $client -e "$@" || fail 'the server did not answer within 60 seconds'; }
fail() { echo "$*" >&2; exit 1; }
# Repeats a command until it succeeds, at most for so many tenths of a second.
until_true() { i=$1; shift; until "$@"; do [ "$i" -gt 0 ] || return 1; i=$((i-1)); sleep 0.1; done; }`

interface Place {
  /** Directory below the working directory, and that of the data in it. */
  readonly directory: string
  readonly data: string
  readonly clientOptions: string
  /** Completes the message of a server that does not start. */
  readonly purpose: string
}

/** Starts an empty server without a network, and defines `throwaway`, a client of it. */
export const temporaryServer = (flavour: Flavour, { directory, data, clientOptions, purpose }: Place): string => {
  const { client, install, installOptions, server, serverOptions } = PROGRAMS[flavour]
  return `${install} --datadir="$PWD/${directory}/${data}" ${installOptions} >${directory}/installed 2>&1 || { cat ${directory}/installed >&2; exit 1; }
${server} --no-defaults --datadir="$PWD/${directory}/${data}" --socket="$PWD/${directory}/socket" --pid-file="$PWD/${directory}/pid" --skip-networking --skip-log-bin \\
  --innodb-flush-log-at-trx-commit=0 --innodb-buffer-pool-size=128M --max-allowed-packet=1G${serverOptions} >${directory}/log 2>&1 & server=$!
throwaway() { ${client} --no-defaults --local-infile=0 --socket="$PWD/${directory}/socket" --user=root --default-character-set=utf8mb4${clientOptions} -NB "$@"; }
answers() { throwaway -e 'DO 1' 2>/dev/null; }
until_true 600 answers || { tail -n 20 ${directory}/log >&2; fail 'the temporary server${purpose} does not start'; }
`
}
