import { setTimeout as sleep } from 'node:timers/promises'
import type { LabSpec } from '../../src/lab/index.ts'
import { sql } from '../e2e/support/database/database.ts'
import { inside } from '../e2e/support/interrupt.ts'
import { SHOP } from './database-states.ts'

// Its files are in /run, which is not compared.
const DIRECTORY = '/run/faults-writer'
const HOST = 'host-01'

/** Starts an application that inserts rows on the writable server and records the acknowledged ones. */
export const startWriter = async (spec: LabSpec, servers: readonly string[], from: number): Promise<void> => {
  const addresses = spec.hosts.filter(({ name }) => servers.includes(name)).map(({ addresses: [one] }) => one)
  await inside(
    spec,
    HOST,
    `mkdir -p ${DIRECTORY}; cd ${DIRECTORY}; : >acked
printf '[client]\\nuser=${SHOP.name}\\npassword="${SHOP.password}"\\nconnect_timeout=2\\nssl\\nssl-ca=/etc/mysql/provision/authority.pem\\n' >client.cnf
cat >writer <<'SH'
cd ${DIRECTORY}
i=${from}
while :; do
  i=$((i+1))
  for address in ${addresses.join(' ')}; do
    timeout 10 mariadb --defaults-file=client.cnf -h $address ${SHOP.name} -e "INSERT INTO t VALUES ($i)" 2>refused && echo $i >>acked && break
  done
  sleep 0.2
done
SH
systemctl reset-failed faults-writer 2>/dev/null || true
systemd-run -q --unit=faults-writer sh ${DIRECTORY}/writer`,
  )
}

/** Stops the application and returns the numbers of its acknowledged rows. */
export const stopWriter = async (spec: LabSpec): Promise<readonly number[]> => {
  const said = await inside(spec, HOST, `systemctl stop faults-writer; cat ${DIRECTORY}/acked`)
  return said
    .split('\n')
    .filter((line) => line !== '')
    .map(Number)
}

/** Returns the rows that a server lacks after it had time to apply what it received. */
export const lostRows = async (spec: LabSpec, host: string, acknowledged: readonly number[]): Promise<readonly number[]> => {
  for (let left = 40; ; left -= 1) {
    const has = new Set((await sql(spec, host, `SELECT id FROM ${SHOP.name}.t`).catch(() => '')).split('\n').map(Number))
    const lost = acknowledged.filter((one) => !has.has(one))
    if (lost.length === 0 || left === 0) return lost
    await sleep(250)
  }
}
