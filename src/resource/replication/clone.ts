import { sh } from '../../shell/sh.ts'
import { clientOf, clientWithin } from '../database/client.ts'
import { asMysql, DEFINE_AS_MYSQL } from '../database/files.ts'
import { DIALECTS } from '../database/flavour.ts'
import { DATA_MS, refuseNewDatabases, sqlText } from '../database/mariadb.ts'
import { FIX_CHANGED } from '../kind/one-by-one.ts'
import { HostRefusal, outputExcerpt, requireSuccess } from '../kind/step.ts'
import { CHANGED } from '../kind/walk.ts'
import { REPLICATION_SQL } from './dialect.ts'
import { interrupted, markScript, removeMark } from './mark.ts'
import { addressOf, followerOf } from './plan.ts'
import type { ReplicationSpec } from './spec.ts'
import { follow, type Procedure } from './steps.ts'

const { defineData } = DIALECTS.mysql
const CLIENT = clientOf('mysql')

/**
 * Replaces all data of a MySQL server by a copy of another one, which stays in service (plugin `clone`). The server itself fetches the
 * data over mutual TLS, deletes its own, and restarts with the copy, at the position of the other one. A mark in the data directory
 * remains until the end, so an interrupted copy starts again.
 * @param observed - databases of this server, which are compared before they are deleted. Undefined for data that nobody keeps
 */
export function* seedByClone(spec: ReplicationSpec, observed: readonly string[] | undefined, from: string): Procedure<void> {
  const { me, service, opener } = spec
  const markedScript = sh`${DEFINE_AS_MYSQL}
${observed === undefined ? sh`` : refuseNewDatabases(me, observed, defineData)}
systemctl start ${service.unit} && { systemctl stop ${opener} 2>/dev/null || :; } && ${asMysql(markScript(defineData))}`
  const marked = yield { do: 'shell', doing: `preparing to copy the data of ${from}`, script: markedScript }
  if (marked.code === CHANGED) throw new HostRefusal(`data of ${from} not copied to ${me}`, outputExcerpt(marked.stderr), FIX_CHANGED)
  requireSuccess(marked, `${me} not ready to receive the data of ${from}`)
  const doing = `copying all data of ${from} to ${me}`
  const copied = yield { do: 'shell', doing, script: cloneScript(cloneSql(spec, from), me), withinMs: DATA_MS }
  if (copied.code !== 0) throw interrupted(me, from, `${copied.stdout}${copied.stderr}`)
  const failure = yield* follow(spec, from, false)
  if (failure !== undefined)
    throw new HostRefusal(
      `${me} has a copy of the data of ${from}, but does not replicate from it`,
      failure,
      `run on ${me}: ${REPLICATION_SQL.mysql.show}`,
    )
  yield* removeMark(spec)
}

/** Root must be able to write for the copy; other accounts still cannot. The restart makes the server read-only again. */
const cloneSql = (spec: ReplicationSpec, from: string): string => {
  const me = spec.servers.find((one) => one.host === spec.me)
  const donor = addressOf(spec, from)
  const user = me === undefined ? '' : followerOf(me, 'mysql').user
  return `${REPLICATION_SQL.mysql.end}
SET GLOBAL super_read_only = OFF; SET GLOBAL read_only = ON; SET GLOBAL clone_valid_donor_list = ${sqlText(`${donor}:3306`)};
SET GLOBAL clone_ssl_ca = ${sqlText(spec.trusted)}; SET GLOBAL clone_ssl_cert = ${sqlText(spec.pair)}; SET GLOBAL clone_ssl_key = ${sqlText(`${spec.pair}.key`)};
CLONE INSTANCE FROM ${sqlText(user)}@${sqlText(donor)}:3306 IDENTIFIED BY '' REQUIRE SSL;`
}

const PROGRESS = `SELECT CONCAT('copied ', COALESCE(SUM(DATA), 0) DIV 1048576, ' of about ', COALESCE(SUM(ESTIMATE), 0) DIV 1048576, ' MB to') FROM performance_schema.clone_progress`
const OUTCOME = `SELECT CONCAT(STATE, ' ', ERROR_NO, ' ', ERROR_MESSAGE) FROM performance_schema.clone_status`

/** Copies, reports progress every second, and waits for the restart: the client loses its connection when the server ends. */
const cloneScript = (sql: string, me: string) => sh`before=$(${CLIENT} -e ${OUTCOME_ID})
printf '%s\\n' ${sql} >"$T/clone.sql"
${clientWithin('mysql', DATA_MS / 1000, true)} <"$T/clone.sql" >"$T/clone" 2>&1 &
while kill -0 $! 2>/dev/null; do
  sleep 1; words=$(${CLIENT} -e ${PROGRESS} 2>/dev/null) && echo "provision-doing: $words" ${me}
done
wait $!; code=$?
i=0; until outcome=$(${CLIENT} -e ${OUTCOME} 2>/dev/null) && [ -n "$outcome" ] && [ "$(${CLIENT} -e ${OUTCOME_ID} 2>/dev/null)" != "$before" ]; do
  [ $i -lt 120 ] || break; [ $code = 0 ] || [ $i -lt 20 ] || break; sleep 1; i=$((i+1))
done
case $outcome in 'Completed 0 '*) [ "$(${CLIENT} -e 'SELECT @@super_read_only' 2>/dev/null)" = 1 ] && exit 0 ;; esac
printf '%s\\n' "$outcome"; cat "$T/clone"; exit 1`

/** Changes with every copy. */
const OUTCOME_ID = `SELECT COALESCE(MAX(BEGIN_TIME), '') FROM performance_schema.clone_status`
