import { quote } from '../quote.ts'
import { DATA, DATA_MS, sqlText } from './mariadb.ts'
import { MARIADB } from './mariadb-client.ts'
import { wholeNumber } from './number.ts'
import type { ReplicationSpec, Server } from './replication.ts'
import { SEEDING } from './replication-seen.ts'
import { type Asking, follow, tell } from './replication-steps.ts'
import { Refused, succeeded } from './step.ts'

/** The unit that takes the data in, for as long as they come. */
const RECEIVER = 'provision-database-seed.service'
const TAKEN = '/run/provision-database-seed'

/**
 * Replaces all data of this server by those of another one, which goes on meanwhile: a copy of its files, streamed from host to host over
 * TLS that both verify. A mark in the data directory stays until all is done, so that a cut begins anew.
 */
export function* seed(spec: ReplicationSpec, from = spec.primary): Asking<void> {
  const { me, service } = spec
  const [mine, its] = [serverOf(spec, me), serverOf(spec, from)]
  yield* checkRoom(from)
  const emptied = `systemctl stop ${RECEIVER} 2>/dev/null; systemctl stop ${quote(service.unit)} && : >${SEEDING} && sync ${SEEDING} &&
find ${DATA} -mindepth 1 -maxdepth 1 ! -path ${SEEDING} -exec rm -rf {} + && ${receiving(spec, mine, its)}`
  succeeded(yield { do: 'shell', doing: `making room for the data of ${from}`, script: emptied }, `${me} cannot take the data of ${from}`)
  const sent = yield {
    do: 'shell',
    on: from,
    doing: `sending all data of ${from} to ${me}`,
    script: sending(spec, mine),
    withinMs: DATA_MS,
  }
  const taken = yield { do: 'shell', doing: 'taking the data in', script: TAKEN_IN }
  if (sent.code !== 0 || taken.code !== 0)
    throw interrupted(me, from, taken.code === 0 ? sent.stderr : `${sent.stderr}\n${taken.stdout}${taken.stderr}`)
  const prepared = succeeded(
    yield { do: 'shell', doing: 'making the data whole', script: preparing(service.unit), withinMs: DATA_MS },
    'the copy cannot be made whole',
  )
  // Its own numbering goes on from there: were it to begin anew, a row that somebody writes here would not be noticed.
  const position = /provision-position (\S*)/.exec(prepared.stdout.toString())?.[1] ?? ''
  yield* tell(
    `STOP SLAVE; RESET SLAVE ALL; RESET MASTER; SET GLOBAL gtid_binlog_state = ${sqlText(position)}; SET GLOBAL gtid_slave_pos = ${sqlText(position)};`,
    'the copy does not know where it ends',
  )
  const said = yield* follow(spec, from, false)
  if (said !== undefined) throw new Refused(`${me} has the data of ${from}, and does not replicate from it`, said)
  succeeded(yield { do: 'shell', script: `rm -f ${SEEDING}` }, 'the mark of the copy stays')
}

const serverOf = ({ servers }: ReplicationSpec, host: string): Server => {
  const found = servers.find((one) => one.host === host)
  if (found === undefined) throw new Error(`${host} is no server`)
  return found
}

/** How much there is to come, against what can be had here: what is here goes first. In kilobytes. */
function* checkRoom(primary: string): Asking<void> {
  const measured = yield { do: 'shell', on: primary, script: `du -sk ${DATA} | cut -f 1` }
  const size = wholeNumber(succeeded(measured, 'the data cannot be measured').stdout.toString(), `the size of the data of ${primary}`)
  const ask = `set -- $(df -kP ${DATA} | tail -n 1); echo $(($4 + $(du -sk ${DATA} | cut -f 1)))`
  const room = wholeNumber(
    succeeded(yield { do: 'shell', script: ask }, 'the room cannot be measured').stdout.toString(),
    'the room for them',
  )
  if (room > size * 1.05) return
  const megabytes = (kilobytes: number): string => `${Math.ceil(kilobytes / 1024)} MB`
  throw new Refused(
    `the data of ${primary} do not fit`,
    `they are ${megabytes(size)}, and there is room for ${megabytes(room)}`,
    `make ${DATA} larger; nothing was replaced`,
  )
}

const bracketed = (address: string): string => (address.includes(':') ? `[${address}]` : address)

/** One connection, of the primary's own certificate; then it is over. */
const receiving = ({ pair, trusted, seedPort, servers }: ReplicationSpec, me: Server, primary: Server): string => {
  const family = me.address.includes(':') ? 6 : 4
  const listen = [
    `OPENSSL-LISTEN:${seedPort},pf=ip${family},bind=${bracketed(me.address)},reuseaddr,accept-timeout=60`,
    `cert=${pair},key=${pair}.key,cafile=${trusted},verify=1,commonname=${primary.certificate}`,
  ]
  const script = `socat -u -T 300 ${listen.join(',')} STDOUT | mbstream -x -C ${DATA} && : >${TAKEN}`
  return `rm -f ${TAKEN} && systemctl reset-failed ${RECEIVER} 2>/dev/null; systemd-run -q --collect --unit=${RECEIVER} -p Description='Takes in the data of ${primary.host}, one of ${servers.length} servers' bash -o pipefail -c ${quote(script)} && {
i=0; until [ -n "$(ss -Hltn 'sport = :${seedPort}')" ]; do [ $i -lt 100 ] || exit 1; sleep 0.1; i=$((i+1)); done; }`
}

/** Says once a second how far it is: what the sender has read so far, in megabytes, compressed by nothing. */
const sending = ({ pair, trusted, seedPort }: ReplicationSpec, to: Server): string => `
total=$(($(du -sk ${DATA} | cut -f 1) / 1024))
rm -f "$T/failed"
{ mariadb-backup --no-defaults --socket=/run/mysqld/mysqld.sock --user=root --datadir=${DATA} --backup --stream=xbstream --target-dir="$T/seed" 2>"$T/said" || : >"$T/failed"; } |
  socat -u -T 300 - OPENSSL:${bracketed(to.address)}:${seedPort},cert=${pair},key=${pair}.key,cafile=${trusted},verify=1,commonname=${to.certificate},no-sni=1 &
while kill -0 $! 2>/dev/null; do
  sleep 1
  read -r _ sent 2>/dev/null </proc/$!/io && echo "provision-doing: sent $((sent / 1048576)) of about $total MB to ${to.host}"
done
wait $! && [ ! -e "$T/failed" ] || { tail -n 20 "$T/said" >&2; exit 1; }`

const TAKEN_IN = `i=0; while systemctl is-active -q ${RECEIVER}; do [ $i -lt 600 ] || break; sleep 0.1; i=$((i+1)); done
[ -e ${TAKEN} ] || { journalctl -u ${RECEIVER} --no-pager -o cat -n 10; exit 1; }`

/** The binary log of the copy says at which transaction it was made. */
const preparing = (unit: string): string => `
mariadb-backup --no-defaults --prepare --target-dir=${DATA} >"$T/said" 2>&1 || { tail -n 20 "$T/said" >&2; exit 1; }
for f in mariadb_backup_binlog_info xtrabackup_binlog_info; do [ ! -f ${DATA}/$f ] || position=$(cut -f 3 ${DATA}/$f); done
chown -R mysql:mysql ${DATA} && systemctl start ${quote(unit)} && ${MARIADB} -e 'DO 1' && echo "provision-position $position"`

const interrupted = (me: string, from: string, said: string): Refused =>
  new Refused(`the data of ${from} did not come to ${me} whole`, said.trim() || 'nobody said why', 'the next run begins anew')
