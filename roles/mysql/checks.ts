import { type Check, databaseBlockers, databaseClient, type HostView, type SiteContext, type SiteView, sh } from 'provision'
import { addressOf } from './addresses.ts'
import { backupHost, RESULT, storeAddress, storeHost } from './backup.ts'
import { PKI } from './config.ts'
import { OPENER } from './opener.ts'
import { type Flavour, type Members, membersOf, type Options } from './options.ts'
import { peerOptions } from './peer.ts'
import { softwareOf } from './software.ts'

const SQL = databaseClient('mariadb')

/** Checks of `provision verify`. */
export const checksOf = ({ options: given, host, site }: SiteContext<Options>): readonly Check[] => {
  const { servers, arbitrators, clients } = membersOf(given, site)
  const isIn = (hosts: readonly HostView[]): boolean => hosts.some(({ name }) => name === host.name)
  const needing = (unit: string, checks: readonly Check[]): readonly Check[] => checks.map((check) => ({ ...check, units: [unit] }))
  return [
    ...(isIn(servers) ? needing(softwareOf(given.flavour).unit, serverChecks(given, host, site)) : []),
    ...(isIn(arbitrators)
      ? [{ name: 'the arbitrator runs', script: 'systemctl is-active -q garb.service || { echo garb.service is not active; exit 1; }' }]
      : []),
    ...(backupHost(given, membersOf(given, site))?.name === host.name
      ? [
          { name: 'the last backup passed its restore test and is recent', script: backupScript(given.backups?.max_age_hours ?? 0) },
          ...storeChecks(given, site),
        ]
      : []),
    ...(isIn(clients)
      ? needing('provision-database-proxy.service', [
          { name: 'an application here reaches the server that accepts writes', script: greetingScript(given.writer_port) },
          { name: 'an application here reaches a server for reading', script: greetingScript(given.reader_port) },
        ])
      : []),
  ]
}

/** Checks that the server that makes backups reaches the host that stores them. */
const storeChecks = (given: Options, site: SiteView): readonly Check[] => {
  const keeper = storeHost(given, site)
  if (keeper === undefined) return []
  const place = `${storeAddress(keeper, membersOf(given, site))}/${given.backups?.port}`
  const fix = `${keeper.name} does not accept backups: run systemctl status provision-database-store there`
  return [
    {
      name: 'the backup store accepts connections',
      script: sh`timeout 5 bash --norc -c ${`exec 3<>/dev/tcp/${place}`} 2>/dev/null || { echo ${fix}; exit 1; }`,
    },
  ]
}

/** Waits for the first message of a server, which it sends before authentication: a greeting, or a refusal of the client's address. */
const greetingScript = (port: number): string => `
greets() { [ "$(timeout 5 bash --norc -c 'exec 3<>/dev/tcp/127.0.0.1/${port} && head -c 40 <&3' 2>/dev/null | wc -c)" = 40 ]; }
for i in 1 2 3 4 5; do ! greets || exit 0; sleep 1; done
echo "no database server answers at 127.0.0.1:${port}"; exit 1`

/** A timer that is younger than the limit may not have made its first backup yet. */
const backupScript = (hours: number): string => `
systemctl is-active -q provision-database-backup.timer || { echo 'provision-database-backup.timer is not active'; exit 1; }
! systemctl is-failed -q provision-database-backup.service || { journalctl -u provision-database-backup.service --no-pager -o cat -n 8; exit 1; }
at=$(sed -n 's/^provision_backup_done_seconds //p' ${RESULT} 2>/dev/null)
[ $(($(date +%s) - \${at:-0})) -ge ${hours * 3600} ] || exit 0
[ -z "$(find /etc/systemd/system/provision-database-backup.timer -mmin -${hours * 60})" ] || exit 0
echo 'no good backup was made in the last ${hours} hours'; exit 1`

const serverChecks = (given: Options, host: HostView, site: SiteView): readonly Check[] => {
  const members = membersOf(given, site)
  const { topology, servers, arbitrators } = members
  const accounts = ACCOUNTS[given.flavour]
  const none = noneOf(given.flavour)
  return [
    none('no anonymous account exists, and root logs in only through the socket', accounts.unknownAdministrators),
    none('every network account requires TLS', accounts.withoutTls),
    {
      name: 'the server presents a certificate of the database authority',
      script: tlsScript(addressOf(host, { servers, arbitrators }), host.name),
    },
    none('no database `test` exists', "SELECT 'test' FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'test'"),
    ...(topology === 'cluster'
      ? [
          {
            name: 'the cluster is complete, and this server is synced',
            script: clusterScript(servers.length + arbitrators.length),
          },
          { name: 'writes of the other servers are applied here', script: APPLIED },
        ]
      : []),
    ...(topology === 'replica' ? replicaChecks(host, members, REPLICATION[given.flavour]) : []),
    ...(topology === 'single' ? [] : [none('every table can be replicated (InnoDB, with a primary key)', TABLES)]),
  ]
}

const replicaChecks = (host: HostView, members: Members, sql: Replication): readonly Check[] => {
  const others = members.servers.filter(({ name }) => name !== host.name)
  if (members.primary === host.name)
    return [
      { name: 'this server accepts writes', script: writableScript(sql) },
      {
        name: 'writes on this server reach every replica within a second',
        script: arrivingScript(
          sql,
          host.name,
          others.map((other) => [other.name, addressOf(other, members)]),
        ),
      },
    ]
  return [{ name: `this server replicates from ${members.primary} and is read-only`, script: followingScript(sql) }]
}

/** Replication in the SQL of a flavour. */
interface Replication {
  readonly flavour: Flavour
  readonly client: string
  readonly show: string
  /** Beginning of the names of columns. */
  readonly word: string
  readonly position: string
  readonly wait: string
  readonly readOnly: string
}

const REPLICATION: Readonly<Record<Flavour, Replication>> = {
  mariadb: {
    ...{ flavour: 'mariadb', client: String(databaseClient('mariadb')), show: 'SHOW SLAVE STATUS', word: 'Slave' },
    ...{ position: 'SELECT @@gtid_binlog_pos', wait: 'MASTER_GTID_WAIT', readOnly: '@@read_only' },
  },
  mysql: {
    ...{ flavour: 'mysql', client: String(databaseClient('mysql')), show: 'SHOW REPLICA STATUS', word: 'Replica' },
    ...{ position: 'SELECT REPLACE(@@gtid_executed, CHAR(10), "")', wait: 'WAIT_FOR_EXECUTED_GTID_SET', readOnly: '@@super_read_only' },
  },
}

/** Fails with the last message of the opener, which knows why it does not enable writes. */
const writableScript = ({ client }: Replication): string => `
[ "$(${client} -e 'SELECT @@read_only')" = 0 ] || { echo 'it is read-only'; journalctl -u ${OPENER} --no-pager -o cat -n 1; exit 1; }`

/** Writes a harmless statement (an ANALYZE of a system table), and waits for it on each replica. */
const arrivingScript = (
  { client, flavour, position, wait }: Replication,
  me: string,
  others: readonly (readonly [string, string])[],
): string => `
${client} -e 'ANALYZE TABLE mysql.proxies_priv' >/dev/null && position=$(${client} -e '${position}') || exit 1
ask() { timeout 5 ${flavour} --no-defaults --local-infile=0 -NB -h "$1" ${peerOptions(me, flavour)} -e "SELECT ${wait}('$position', 1)" 2>&1; }
# A single late answer can have other reasons; three in a row cannot.
arrives() { for i in 1 2 3; do answer=$(ask "$2"); [ "$answer" != 0 ] || return 0; done; echo "not on $1: $answer"; return 1; }
${others.map(([name, address]) => `arrives ${name} ${address} || exit 1`).join('\n')}`

const followingScript = ({ client, show, word, readOnly }: Replication): string => `
answer=$(${client} --column-names -E -e '${show}') || exit 1
printf '%s\\n' "$answer" | grep -q '${word}_IO_Running: Yes' && printf '%s\\n' "$answer" | grep -q '${word}_SQL_Running: Yes' || { printf '%s\\n' "$answer" | grep -E 'Running:|Last_(IO|SQL)_Error: .'; exit 1; }
[ "$(${client} -e 'SELECT ${readOnly}')" = 1 ] || { echo 'it accepts writes'; exit 1; }`

/** Check that fails if a query returns rows, and prints them. */
const noneOf =
  (flavour: Flavour) =>
  (name: string, sql: string): Check => ({
    name,
    script: `found=$(${databaseClient(flavour)} <<'SQL'\n${sql};\nSQL\n) || exit 1; [ -z "$found" ] || { printf '%s\\n' "$found"; exit 1; }`,
  })

const ACCOUNTS: Readonly<Record<Flavour, { readonly unknownAdministrators: string; readonly withoutTls: string }>> = {
  mariadb: {
    unknownAdministrators: `SELECT CONCAT(QUOTE(User), '@', Host) FROM mysql.global_priv
WHERE User = '' OR (User IN ('root', 'mysql') AND (Host <> 'localhost' OR JSON_VALUE(Priv, '$.authentication_string') NOT IN ('', 'invalid')))`,
    withoutTls: `SELECT CONCAT(QUOTE(User), '@', Host) FROM mysql.global_priv
WHERE Host NOT IN ('localhost', '') AND COALESCE(JSON_VALUE(Priv, '$.ssl_type'), 0) = 0 AND COALESCE(JSON_VALUE(Priv, '$.is_role'), 0) = 0`,
  },
  mysql: {
    // The package writes the account of the host, root, into the account of its own scripts.
    unknownAdministrators: `SELECT CONCAT(QUOTE(User), '@', Host) FROM mysql.user
WHERE User = '' OR (User IN ('root', 'mysql', 'debian-sys-maint') AND (Host <> 'localhost' OR plugin <> 'auth_socket' OR authentication_string NOT IN ('', 'root')))`,
    // A role is an account that cannot log in.
    withoutTls: `SELECT CONCAT(QUOTE(User), '@', Host) FROM mysql.user WHERE Host <> 'localhost' AND ssl_type = '' AND account_locked = 'N'`,
  },
}

const TABLES = `SELECT CONCAT(t.TABLE_SCHEMA, '.', t.TABLE_NAME, IF(t.ENGINE = 'InnoDB', ' has no primary key', CONCAT(' is ', t.ENGINE))) FROM information_schema.TABLES t
WHERE t.TABLE_TYPE = 'BASE TABLE' AND t.TABLE_SCHEMA NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')
AND (t.ENGINE <> 'InnoDB' OR NOT EXISTS (SELECT 1 FROM information_schema.TABLE_CONSTRAINTS c
 WHERE c.TABLE_SCHEMA = t.TABLE_SCHEMA AND c.TABLE_NAME = t.TABLE_NAME AND c.CONSTRAINT_TYPE = 'PRIMARY KEY'))`

const clusterScript = (size: number): string => `
answer=$(${SQL} -e "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_cluster_status', 'wsrep_local_state_comment', 'wsrep_cluster_size')" | sort | cut -f 2 | tr '\\n' ' ') || exit 1
[ "$answer" = '${size} Primary Synced ' ] || { echo "of ${size} members: $answer"; exit 1; }`

/**
 * Fails if the server does not apply writes of the others. An applier ends the sessions that block it, so it never waits long for one. A
 * cluster under load always commits something.
 */
const APPLIED = `
waits=$(${SQL} -e "SELECT CONCAT('it has waited for ', TIME, ' s: ', STATE) FROM information_schema.PROCESSLIST WHERE USER = 'system user' AND STATE LIKE 'Waiting for%lock' AND TIME >= 5") || exit 1
[ -z "$waits" ] || { printf '%s\\n' "$waits"; ${databaseBlockers('mariadb')}; exit 1; }
look() { ${SQL} -e "SELECT GROUP_CONCAT(VARIABLE_VALUE ORDER BY VARIABLE_NAME SEPARATOR ' ') FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME IN ('INNODB_LSN_CURRENT', 'WSREP_FLOW_CONTROL_ACTIVE', 'WSREP_LAST_COMMITTED')"; }
before=$(look) || exit 1; case $before in *true*) sleep 5; [ "$(look)" != "$before" ] || { echo 'flow control has stopped all writes for 5 s'; ${databaseBlockers('mariadb')}; exit 1; } ;; esac`

const tlsScript = (address: string, host: string): string => `
answer=$(echo | timeout 10 openssl s_client -starttls mysql -connect ${address.includes(':') ? `[${address}]` : address}:3306 -verify_return_error -verify_hostname ${host}.database.provision.internal -verify_ip ${address} -CAfile ${PKI.trusted} 2>&1)
case $answer in *'Verify return code: 0 (ok)'*) ;; *) printf '%s\\n' "$answer" | tail -n 20; exit 1;; esac`
