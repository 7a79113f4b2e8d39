import type { Script } from '../../shell/script.ts'
import { join, sh } from '../../shell/sh.ts'
import { MARIADB } from '../database/client.ts'
import { asMysql, DEFINE_AS_MYSQL, readAsMysql, SETPRIV } from '../database/files.ts'
import { DIALECTS } from '../database/flavour.ts'
import { DATA_MS, DEFINE_DATA, refuseNewDatabases, sqlText } from '../database/mariadb.ts'
import { bracketed } from '../kind/address.ts'
import { wholeNumber } from '../kind/number.ts'
import { FIX_CHANGED } from '../kind/one-by-one.ts'
import { HostRefusal, outputExcerpt, requireSuccess } from '../kind/step.ts'
import { CHANGED } from '../kind/walk.ts'
import { seedByClone } from './clone.ts'
import { interrupted, markScript, removeMark } from './mark.ts'
import { SEEDING } from './observe.ts'
import type { ReplicationSpec, Server } from './spec.ts'
import { executeSql, follow, type Procedure } from './steps.ts'

/** Transient unit that receives the data. */
const RECEIVER = 'provision-database-seed.service'

/**
 * Replaces all data of this server by a copy of another one, which stays in service. The files are streamed from host to host over mutual
 * TLS. A mark in the data directory remains until the end, so an interrupted copy starts again.
 * @param observed - databases of this server, which are compared before they are deleted. Undefined for data that nobody keeps: an
 * incomplete copy, and data that the server replicated since.
 */
export function* seed(spec: ReplicationSpec, observed: readonly string[] | undefined, from = spec.primary): Procedure<void> {
  const { me, service } = spec
  yield* checkRoom(spec, from)
  if (spec.flavour === 'mysql') return yield* seedByClone(spec, observed, from)
  const [mine, its] = [serverOf(spec, me), serverOf(spec, from)]
  const emptyScript = sh`${DEFINE_AS_MYSQL}
${observed === undefined ? sh`` : refuseNewDatabases(me, observed)}
systemctl stop ${RECEIVER} 2>/dev/null; systemctl stop ${service.unit} && ${asMysql(markScript(DEFINE_DATA))} && ${asMysql(EMPTY_DATA, 1500)} && ${receiveCommand(spec, mine, its)}`
  const emptied = yield { do: 'shell', doing: `deleting old data to receive that of ${from}`, script: emptyScript }
  if (emptied.code === CHANGED) throw new HostRefusal(`data of ${from} not copied to ${me}`, outputExcerpt(emptied.stderr), FIX_CHANGED)
  requireSuccess(emptied, `${me} not ready to receive the data of ${from}`)
  const sent = yield {
    do: 'shell',
    on: from,
    doing: `sending all data of ${from} to ${me}`,
    script: sendScript(spec, mine),
    withinMs: DATA_MS,
  }
  const taken = yield { do: 'shell', doing: 'receiving the data', script: RECEIVED_SCRIPT }
  if (sent.code !== 0 || taken.code !== 0)
    throw interrupted(me, from, taken.code === 0 ? sent.stderr : `${sent.stderr}\n${taken.stdout}${taken.stderr}`)
  const prepared = requireSuccess(
    yield { do: 'shell', doing: 'preparing the copy', script: prepareScript(service.unit), withinMs: DATA_MS },
    'copy not prepared',
  )
  // Its own numbering continues from there. If it started again, rows written here by hand would go unnoticed.
  const position = /provision-position (\S*)/.exec(prepared.stdout.toString())?.[1] ?? ''
  yield* executeSql(
    spec,
    `STOP SLAVE; RESET SLAVE ALL; RESET MASTER; SET GLOBAL gtid_binlog_state = ${sqlText(position)}; SET GLOBAL gtid_slave_pos = ${sqlText(position)};`,
    'position of the copy not set',
  )
  const failure = yield* follow(spec, from, false)
  if (failure !== undefined)
    throw new HostRefusal(
      `${me} has a copy of the data of ${from}, but does not replicate from it`,
      failure,
      `run on ${me}: sudo mariadb -E -e 'SHOW SLAVE STATUS'`,
    )
  yield* removeMark(spec)
}

/** Deletes all data. A separate file system contains lost+found, which belongs to root. */
const EMPTY_DATA = sh`${DEFINE_DATA}; cd "\${data:?}" && find . -mindepth 1 -maxdepth 1 ! -name ${SEEDING} ! -name lost+found -exec rm -rf {} +`

const serverOf = ({ servers }: ReplicationSpec, host: string): Server => {
  const found = servers.find((one) => one.host === host)
  if (found === undefined) throw new Error(`${host} is no server`)
  return found
}

/** Compares the size of the data with the free space after the deletion of old data, in kilobytes. */
function* checkRoom({ flavour }: ReplicationSpec, primary: string): Procedure<void> {
  const { defineData } = DIALECTS[flavour]
  const measure = measureScript(defineData)
  const measured = yield { do: 'shell', on: primary, script: sh`${DEFINE_AS_MYSQL}\n${measure}; echo "$size"` }
  const size = wholeNumber(requireSuccess(measured, 'data not measured').stdout.toString(), `the size of the data of ${primary}`)
  const ask = sh`${DEFINE_AS_MYSQL}\n${measure}; ${defineData}; set -- $(df -kP "$data" | tail -n 1); echo $(($4 + size))`
  const room = wholeNumber(
    requireSuccess(yield { do: 'shell', script: ask }, 'free space not measured').stdout.toString(),
    'the free space',
  )
  if (room > size * 1.05) return
  const megabytes = (kilobytes: number): string => `${Math.ceil(kilobytes / 1024)} MB`
  throw new HostRefusal(
    `data of ${primary} does not fit`,
    `its size is ${megabytes(size)}, and ${megabytes(room)} are free`,
    'enlarge the file system of its data directory; nothing was replaced',
  )
}

/** Sets `$size`, in kilobytes. The last line counts: `du` prints errors about unreadable files before it. */
const measureScript = (defineData: Script): Script => sh`as_mysql 600 ${String(sh`${defineData}; du -sk "$data"`)}; output=\${output##*
}; size=\${output%%[!0-9]*}`

const MEASURE = measureScript(DEFINE_DATA)

/**
 * Accepts one connection, with the certificate of the primary, then ends. systemd limits the wait for it, because socat 1.7.4.1 (Ubuntu
 * 22.04) crashes after a complete copy if it has `accept-timeout`. The next run stops a receiver that is left over.
 */
const receiveCommand = ({ pair, trusted, seedPort, servers }: ReplicationSpec, me: Server, primary: Server): Script => {
  const family = me.address.includes(':') ? 6 : 4
  const listen = [
    `OPENSSL-LISTEN:${seedPort},pf=ip${family},bind=${bracketed(me.address)},reuseaddr`,
    `cert=${pair},key=${pair}.key,cafile=${trusted},verify=1,commonname=${primary.certificate}`,
  ]
  const script = sh`${DEFINE_DATA}; socat -u -T 300 ${listen.join(',')} STDOUT | mbstream -x -C "$data"`
  const as = sh`-p User=mysql -p Group=mysql -p UMask=0027 -p NoNewPrivileges=yes -p RemainAfterExit=yes -p RuntimeMaxSec=${DATA_MS / 1000}`
  return sh`{ systemctl reset-failed ${RECEIVER} 2>/dev/null; systemd-run -q --unit=${RECEIVER} ${as} -p Description=${`Copy of the data of ${primary.host}, one of ${servers.length} servers`} bash -o pipefail -c ${String(script)} && {
i=0; until [ -n "$(ss -Hltn 'sport = :${seedPort}')" ]; do [ $i -lt 100 ] || exit 1; sleep 0.1; i=$((i+1)); done; }; }`
}

const COPY = sh`${DEFINE_DATA}
directory=$(mktemp -d) || exit 1
mariadb-backup --no-defaults --socket=/run/mysqld/mysqld.sock --user=mysql --datadir="$data" --backup --stream=xbstream --target-dir="$directory"
status=$?; rm -rf "$directory"; exit "$status"`

/** Sends the data and reports progress every second: uncompressed megabytes read by the sender. */
const sendScript = ({ pair, trusted, seedPort }: ReplicationSpec, to: Server): Script => sh`${DEFINE_AS_MYSQL}
${MEASURE}; total=$((size / 1024))
rm -f "$T/failed"
{ { ${SETPRIV} sh -c ${String(COPY)} </dev/null 9>&- || : >"$T/failed"; } 2>&1 >&4 | tail -c 65536 >"$T/output"; } 4>&1 |
  socat -u -T 300 - ${`OPENSSL:${bracketed(to.address)}:${seedPort},cert=${pair},key=${pair}.key,cafile=${trusted},verify=1,commonname=${to.certificate},no-sni=1`} &
while kill -0 $! 2>/dev/null; do
  sleep 1
  read -r _ sent 2>/dev/null </proc/$!/io && echo "provision-doing: sent $((sent / 1048576)) of about $total MB to" ${to.host}
done
wait $! && [ ! -e "$T/failed" ] || { tail -n 20 "$T/output" >&2; exit 1; }`

const RECEIVED_SCRIPT = sh`i=0; while state=$(systemctl show -P SubState ${RECEIVER}); [ "$state" = running ] && [ $i -lt 600 ]; do sleep 0.1; i=$((i+1)); done
systemctl stop ${RECEIVER}; [ "$state" = exited ] || { journalctl -u ${RECEIVER} --no-pager -o cat -n 10; exit 1; }`

const PREPARE = sh`${DEFINE_DATA}; output=$(mariadb-backup --no-defaults --prepare --target-dir="$data" 2>&1); status=$?; printf '%s\\n' "$output" | tail -n 20; exit "$status"`

/** Prepares the copy and prints its position, from its binary log. */
const prepareScript = (unit: string): Script => sh`${DEFINE_AS_MYSQL}
${DEFINE_DATA}
${asMysql(PREPARE, DATA_MS / 1000)} || exit 1
position=$(${join(
  sh`; `,
  ['mariadb_backup', 'xtrabackup'].map((name) => readAsMysql(sh`"$data"/${`${name}_binlog_info`}`, 'print((split " ", $b)[2])')),
)})
systemctl start ${unit} && ${MARIADB} -e 'DO 1' && echo "provision-position $position"`
