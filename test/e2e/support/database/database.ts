import { setTimeout as sleep } from 'node:timers/promises'
import type { LabSpec } from '../../../../src/lab/index.ts'
import { DEFINE_DATA } from '../../../../src/resource/database/mariadb.ts'
import { inside } from '../interrupt.ts'

/** The database client, run as root of a host. */
export const ROOT = 'mariadb --no-defaults --socket=/run/mysqld/mysqld.sock -NB'

/**
 * Sets `$data`, the data directory of a host, and `$info`, its file with the version of the system tables. MariaDB 11 has another name
 * for it than 10.11.
 */
export const DEFINE_INFO = `${DEFINE_DATA}; info=$data/mysql_upgrade_info; ! grep -qa mariadb_upgrade_info /usr/bin/mariadb-upgrade || info=$data/mariadb_upgrade_info`

/** Runs SQL as root on the server of a host and returns the output. */
export const sql = (spec: LabSpec, host: string, query: string): Promise<string> =>
  inside(spec, host, `${ROOT} <<'SQL'\n${query};\nSQL`).then((said) => said.trim())

/** `Primary Synced 3`, or `down`. */
export const memberState = (spec: LabSpec, host: string): Promise<string> =>
  inside(
    spec,
    host,
    `${ROOT} -e "SELECT GROUP_CONCAT(VARIABLE_VALUE ORDER BY VARIABLE_NAME SEPARATOR ' ') FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME IN ('WSREP_CLUSTER_STATUS', 'WSREP_LOCAL_STATE_COMMENT', 'WSREP_CLUSTER_SIZE')" 2>/dev/null || echo down`,
  ).then(
    (said) => said.trim().replace(/^(\d+) (.*)$/, '$2 $1'),
    () => 'down',
  )

/** Waits until all these servers are synced in one cluster, and returns the duration in seconds. */
export const waitForCluster = async (spec: LabSpec, hosts: readonly string[], size: number): Promise<number> => {
  const started = performance.now()
  for (;;) {
    const states = await Promise.all(hosts.map((host) => memberState(spec, host)))
    if (states.every((one) => one === `Primary Synced ${size}`)) return (performance.now() - started) / 1000
    if (performance.now() - started > 90_000) throw new Error(`the cluster is not complete: ${states.join(', ')}`)
    await sleep(200)
  }
}

/** Starts a writer: it inserts rows through the writer address of a host and records the acknowledged ones. */
export const startWriter = (spec: LabSpec, host: string, password: string, from: number): Promise<string> =>
  inside(
    spec,
    host,
    `cat >/root/writer.sh <<'SH'
printf '[client]\\nhost=127.0.0.1\\nport=3306\\nuser=shop\\npassword="${password}"\\nconnect_timeout=2\\nssl\\nssl-ca=/etc/mysql/provision/authority.pem\\n' >/root/writer.cnf
i=${from}; rm -f /root/acked
while :; do
  i=$((i+1))
  if timeout 20 mariadb --defaults-file=/root/writer.cnf shop -e "INSERT INTO t VALUES ($i, 'row $i')" 2>>/root/refused; then echo "$i $(date +%s%N)" >>/root/acked; else sleep 0.1; fi
done
SH
systemctl reset-failed writer 2>/dev/null || true
systemd-run -q --unit=writer sh /root/writer.sh`,
  )

/** Stops the writer, and returns the acknowledged numbers and the longest time between two of them in seconds. */
export const stopWriter = async (spec: LabSpec, host: string): Promise<{ readonly acked: readonly number[]; readonly gap: number }> => {
  await inside(spec, host, 'systemctl stop writer')
  const rows = (await inside(spec, host, 'cat /root/acked'))
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number))
  const gaps = rows.slice(1).map(([, at = 0], i) => (at - (rows[i]?.[1] ?? at)) / 1e9)
  return { acked: rows.map(([number = 0]) => number), gap: Math.max(0, ...gaps) }
}

/** Returns the rows of the list that a server lacks. */
export const lost = async (spec: LabSpec, host: string, acked: readonly number[]): Promise<readonly number[]> => {
  const has = new Set((await sql(spec, host, 'SET SESSION wsrep_sync_wait = 1; SELECT id FROM shop.t')).split('\n').map(Number))
  return acked.filter((number) => !has.has(number))
}
