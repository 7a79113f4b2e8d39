import { bracketed, type Check, type HostView, isReplicatedServer, replicatedMembers, type SiteContext, sh } from 'provision'
import { databasesOf } from './access.ts'
import { PATHS, PORT } from './config.ts'
import { replicasOf, slotOf } from './members.ts'
import type { Options } from './options.ts'

/** A query as the account postgres, which the server trusts through its socket. */
export const ask = (sql: string) =>
  sh`setpriv --reuid=postgres --regid=postgres --init-groups psql -XAtqw -h ${PATHS.sockets} -p ${String(PORT)} -d postgres -c ${sql} </dev/null`

/** Checks of `provision verify`. */
export const checksOf = ({ options: given, host, site }: SiteContext<Options>): readonly Check[] => {
  if (!isReplicatedServer(given, site, host))
    return site
      .group(given.servers)
      .map((server) => ({ name: `${server.name} can be reached from here, and verified`, script: tlsScript(server) }))
  const members = replicatedMembers(given, site)
  const databases = given.databases.filter(({ state }) => state === 'present').map(({ name }) => name)
  const user = given.users.find((one) => one.password !== undefined && one.state === 'present' && databasesOf(one, given).length > 0)
  return [
    { name: 'the server presents a certificate of the authority postgresql', script: tlsScript(host) },
    ...(members.primary?.name === host.name
      ? replicasOf(members, host).map((replica) => ({
          name: `${replica.name} replicates from this server, less than 10 s behind`,
          script: replicaScript(slotOf(replica)),
        }))
      : [{ name: `this server replicates from ${members.primary?.name}`, script: FOLLOWS }]),
    ...(databases.length > 0 ? [{ name: 'all databases exist', script: databasesScript(databases) }] : []),
    ...(user === undefined
      ? []
      : [
          {
            name: `the user ${user.name} can connect only with TLS and its password`,
            script: refusalScript(user.name, databasesOf(user, given)[0] ?? ''),
          },
        ]),
  ]
}

const tlsScript = (host: HostView) => sh`
answer=$(timeout 10 openssl s_client -starttls postgres -connect ${`${bracketed(host.addresses[0] ?? host.name)}:${PORT}`} -verify_return_error -verify_ip ${host.addresses[0] ?? ''} -CAfile ${PATHS.trusted} 2>&1 </dev/null)
case $answer in *'Verify return code: 0 (ok)'*) ;; *) printf '%s\\n' "$answer" | tail -n 20; exit 1 ;; esac`

const databasesScript = (databases: readonly string[]) => sh`
all=$(${ask('SELECT datname FROM pg_database')}) || { printf '%s\\n' "$all"; exit 1; }
for database in ${databases}; do printf '%s\\n' "$all" | grep -qxF -e "$database" || { echo "$database is missing"; exit 1; }; done`

/** With TLS, the server must ask for the password, and without TLS refuse at once. */
const refusalScript = (user: string, database: string) => {
  const target = `host=127.0.0.1 port=${PORT} user=${user} dbname=${database} sslmode=`
  return sh`
try() { LC_ALL=C PGCONNECT_TIMEOUT=5 PGPASSFILE=/dev/null psql -XAtqwc 'SELECT 1' "$1" 2>&1 </dev/null; }
plain=$(try ${`${target}disable`}) && { echo 'it accepts a connection without TLS and password'; exit 1; }
case $plain in *'no encryption'*) ;; *) printf 'without TLS, it answers: %s\\n' "$plain"; exit 1 ;; esac
encrypted=$(try ${`${target}require`}) && { echo 'it accepts a connection without a password'; exit 1; }
case $encrypted in *'no password supplied'*) ;; *) printf 'with TLS, it answers: %s\\n' "$encrypted"; exit 1 ;; esac`
}

/** The replica must receive the log, and have applied what it received. */
const replicaScript = (slot: string) => {
  const question = `SELECT count(*) FROM pg_stat_replication WHERE application_name = '${slot}' AND state = 'streaming' AND COALESCE(replay_lag, '0') < '10s'`
  return sh`
i=0; until [ "$(${ask(question)})" = 1 ]; do
  [ $i -lt 20 ] || { ${ask('SELECT application_name, state, replay_lag FROM pg_stat_replication')}; echo ${`${slot} is missing, or behind`}; exit 1; }
  sleep 0.5; i=$((i+1))
done`
}

const FOLLOWS = sh`
i=0; until [ "$(${ask('SELECT status FROM pg_stat_wal_receiver WHERE pg_is_in_recovery()')})" = streaming ]; do
  [ $i -lt 20 ] || { echo 'it receives nothing from its primary'; exit 1; }
  sleep 0.5; i=$((i+1))
done`
