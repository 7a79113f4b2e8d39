import type { Script } from '../../shell/script.ts'
import { join, sh } from '../../shell/sh.ts'
import { MARIADB } from '../database/client.ts'
import { asMysql, DEFINE_AS_MYSQL, readAsMysql, SETPRIV } from '../database/files.ts'
import { DATA, DATA_MS, sqlText } from '../database/mariadb.ts'
import { bracketed } from '../kind/address.ts'
import { wholeNumber } from '../kind/number.ts'
import { HostRefusal, requireSuccess } from '../kind/step.ts'
import { SEEDING } from './observe.ts'
import type { ReplicationSpec, Server } from './spec.ts'
import { executeSql, follow, type Procedure } from './steps.ts'

/** The unit that takes the data in, for as long as they come. */
const RECEIVER = 'provision-database-seed.service'

/**
 * Replaces all data of this server by those of another one, which goes on meanwhile: a copy of its files, streamed from host to host over
 * TLS that both verify. A mark in the data directory stays until all is done, so that a cut begins anew.
 */
export function* seed(spec: ReplicationSpec, from = spec.primary): Procedure<void> {
  const { me, service } = spec
  const [mine, its] = [serverOf(spec, me), serverOf(spec, from)]
  yield* checkRoom(from)
  const emptyScript = sh`${DEFINE_AS_MYSQL}
systemctl stop ${RECEIVER} 2>/dev/null; systemctl stop ${service.unit} && ${asMysql(MARK_SEEDING)} && ${asMysql(EMPTY_DATA, 1500)} && ${receiveCommand(spec, mine, its)}`
  requireSuccess(
    yield { do: 'shell', doing: `making room for the data of ${from}`, script: emptyScript },
    `${me} cannot take the data of ${from}`,
  )
  const sent = yield {
    do: 'shell',
    on: from,
    doing: `sending all data of ${from} to ${me}`,
    script: sendScript(spec, mine),
    withinMs: DATA_MS,
  }
  const taken = yield { do: 'shell', doing: 'taking the data in', script: RECEIVED_SCRIPT }
  if (sent.code !== 0 || taken.code !== 0)
    throw interrupted(me, from, taken.code === 0 ? sent.stderr : `${sent.stderr}\n${taken.stdout}${taken.stderr}`)
  const prepared = requireSuccess(
    yield { do: 'shell', doing: 'making the data whole', script: prepareScript(service.unit), withinMs: DATA_MS },
    'the copy cannot be made whole',
  )
  // Its own numbering goes on from there: were it to begin anew, a row that somebody writes here would not be noticed.
  const position = /provision-position (\S*)/.exec(prepared.stdout.toString())?.[1] ?? ''
  yield* executeSql(
    `STOP SLAVE; RESET SLAVE ALL; RESET MASTER; SET GLOBAL gtid_binlog_state = ${sqlText(position)}; SET GLOBAL gtid_slave_pos = ${sqlText(position)};`,
    'the copy does not know where it ends',
  )
  const failure = yield* follow(spec, from, false)
  if (failure !== undefined) throw new HostRefusal(`${me} has the data of ${from}, and does not replicate from it`, failure)
  requireSuccess(yield { do: 'shell', script: sh`${DEFINE_AS_MYSQL}\n${asMysql(sh`rm -f ${SEEDING}`)}` }, 'the mark of the copy stays')
}

/** The mark comes before anything is deleted. */
const MARK_SEEDING = sh`rm -f ${SEEDING} && : >${SEEDING} && sync ${SEEDING}`

/** A file system of its own has a directory of root, lost+found. */
const EMPTY_DATA = sh`cd ${DATA} && find . -mindepth 1 -maxdepth 1 ! -name ${SEEDING.slice(DATA.length + 1)} ! -name lost+found -exec rm -rf {} +`

const serverOf = ({ servers }: ReplicationSpec, host: string): Server => {
  const found = servers.find((one) => one.host === host)
  if (found === undefined) throw new Error(`${host} is no server`)
  return found
}

/** How much there is to come, against what can be had here: what is here goes first. In kilobytes. */
function* checkRoom(primary: string): Procedure<void> {
  const measured = yield { do: 'shell', on: primary, script: sh`${DEFINE_AS_MYSQL}\n${MEASURE}; echo "$size"` }
  const size = wholeNumber(requireSuccess(measured, 'the data cannot be measured').stdout.toString(), `the size of the data of ${primary}`)
  const ask = sh`${DEFINE_AS_MYSQL}\n${MEASURE}; set -- $(df -kP ${DATA} | tail -n 1); echo $(($4 + size))`
  const room = wholeNumber(
    requireSuccess(yield { do: 'shell', script: ask }, 'the room cannot be measured').stdout.toString(),
    'the room for them',
  )
  if (room > size * 1.05) return
  const megabytes = (kilobytes: number): string => `${Math.ceil(kilobytes / 1024)} MB`
  throw new HostRefusal(
    `the data of ${primary} do not fit`,
    `they are ${megabytes(size)}, and there is room for ${megabytes(room)}`,
    `make ${DATA} larger; nothing was replaced`,
  )
}

/** `$size`: the kilobytes of the data. The last line counts: before it, `du` complains of what it may not read. */
const MEASURE = sh`as_mysql 600 ${`du -sk ${DATA}`}; said=\${said##*
}; size=\${said%%[!0-9]*}`

/** One connection, of the primary's own certificate; then it is over. */
const receiveCommand = ({ pair, trusted, seedPort, servers }: ReplicationSpec, me: Server, primary: Server): Script => {
  const family = me.address.includes(':') ? 6 : 4
  const listen = [
    `OPENSSL-LISTEN:${seedPort},pf=ip${family},bind=${bracketed(me.address)},reuseaddr,accept-timeout=60`,
    `cert=${pair},key=${pair}.key,cafile=${trusted},verify=1,commonname=${primary.certificate}`,
  ]
  const script = sh`socat -u -T 300 ${listen.join(',')} STDOUT | mbstream -x -C ${DATA}`
  const as = sh`-p User=mysql -p Group=mysql -p UMask=0027 -p NoNewPrivileges=yes -p RemainAfterExit=yes`
  return sh`systemctl reset-failed ${RECEIVER} 2>/dev/null; systemd-run -q --unit=${RECEIVER} ${as} -p Description=${`Takes in the data of ${primary.host}, one of ${servers.length} servers`} bash -o pipefail -c ${String(script)} && {
i=0; until [ -n "$(ss -Hltn 'sport = :${seedPort}')" ]; do [ $i -lt 100 ] || exit 1; sleep 0.1; i=$((i+1)); done; }`
}

const COPY = sh`directory=$(mktemp -d) || exit 1
mariadb-backup --no-defaults --socket=/run/mysqld/mysqld.sock --user=mysql --datadir=${DATA} --backup --stream=xbstream --target-dir="$directory"
status=$?; rm -rf "$directory"; exit "$status"`

/** Says once a second how far it is: what the sender has read so far, in megabytes, compressed by nothing. */
const sendScript = ({ pair, trusted, seedPort }: ReplicationSpec, to: Server): Script => sh`${DEFINE_AS_MYSQL}
${MEASURE}; total=$((size / 1024))
rm -f "$T/failed"
{ { ${SETPRIV} sh -c ${String(COPY)} </dev/null 9>&- || : >"$T/failed"; } 2>&1 >&4 | tail -c 65536 >"$T/said"; } 4>&1 |
  socat -u -T 300 - ${`OPENSSL:${bracketed(to.address)}:${seedPort},cert=${pair},key=${pair}.key,cafile=${trusted},verify=1,commonname=${to.certificate},no-sni=1`} &
while kill -0 $! 2>/dev/null; do
  sleep 1
  read -r _ sent 2>/dev/null </proc/$!/io && echo "provision-doing: sent $((sent / 1048576)) of about $total MB to" ${to.host}
done
wait $! && [ ! -e "$T/failed" ] || { tail -n 20 "$T/said" >&2; exit 1; }`

const RECEIVED_SCRIPT = sh`i=0; while state=$(systemctl show -P SubState ${RECEIVER}); [ "$state" = running ] && [ $i -lt 600 ]; do sleep 0.1; i=$((i+1)); done
systemctl stop ${RECEIVER}; [ "$state" = exited ] || { journalctl -u ${RECEIVER} --no-pager -o cat -n 10; exit 1; }`

const PREPARE = sh`output=$(mariadb-backup --no-defaults --prepare --target-dir=${DATA} 2>&1); status=$?; printf '%s\\n' "$output" | tail -n 20; exit "$status"`

/** The binary log of the copy says at which transaction it was made. */
const prepareScript = (unit: string): Script => sh`${DEFINE_AS_MYSQL}
${asMysql(PREPARE, DATA_MS / 1000)} || exit 1
position=$(${join(
  sh`; `,
  ['mariadb_backup', 'xtrabackup'].map((name) => readAsMysql(`${DATA}/${name}_binlog_info`, 'print((split " ", $b)[2])')),
)})
systemctl start ${unit} && ${MARIADB} -e 'DO 1' && echo "provision-position $position"`

const interrupted = (me: string, from: string, output: string): HostRefusal =>
  new HostRefusal(`the data of ${from} did not come to ${me} whole`, output.trim() || 'nobody said why', 'the next run begins anew')
